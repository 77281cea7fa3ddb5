import Foundation
import ISAPatch
import ONNXGraph
import OnnxRuntime
import SparseAttention
import TestSupport
import Testing

/// The forms that `Tests/Fixtures/make_attention_forms.py` makes: replaced, with the original's outputs in ONNX Runtime,
/// or kept for the reason that the fixture names.
@Suite struct AttentionFormsTests {
  struct Case: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let sites: Int?
    let heads: Int?
    let keyHeads: Int?
    /// Part of the sentence why its sites stay.
    let reason: String?
    /// Of symbolic dimensions.
    let lengths: [String: Int]?
    /// Another model of the same meaning, where ONNX Runtime's CPU provider does not run this one.
    let sameAs: String?

    var description: String { name }
  }

  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/forms")

  private static func cases(kept: Bool) -> [Case] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let data = FileManager.default.contents(atPath: folder.appendingPathComponent("forms.json").path) ?? Data()
    let cases = (try? decoder.decode([Case].self, from: data)) ?? []
    return cases.filter { ($0.reason != nil) == kept }
  }

  private static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appendingPathComponent("\(name).onnx")))
  }

  @Test func theFormsAreThere() {
    #expect(Self.cases(kept: false).count >= 35)
    #expect(Self.cases(kept: true).count >= 15)
  }

  @Test(arguments: cases(kept: false)) func agreesWithTheOriginal(_ form: Case) throws {
    let original = try Self.bytes(form.name)
    let patcher = try Patcher(try Model.load(bytes: original, path: form.name))
    #expect(patcher.sites.count == form.sites ?? 1)
    var policies: [String: SitePolicy] = [:]
    for site in patcher.sites {
      #expect(site.isReplaceable, "\(site.reason?.sentence ?? "")")
      #expect(site.heads == form.heads)
      if let expected = form.keyHeads { #expect(site.keyHeads == expected) }
      policies[site.name] = .uniform(.exact, heads: try #require(site.heads))
    }
    let patched = try patcher.patched(PatchPlan(policies: policies))
    let library = try Library.load()
    let ours = try Session(
      library, model: .bytes(patched), options: .init(threads: 1, opLibraries: [PatchExactTests.operators]))
    let theirs = try Session(
      library, model: .bytes(try Self.bytes(form.sameAs ?? form.name)), options: .init(threads: 1))
    let inputs = try Self.inputs(theirs, form.lengths ?? [:])
    let expected = try #require(try theirs.run(inputs)["y"])
    let found = try #require(try ours.run(inputs)["y"])
    #expect(found.shape == expected.shape)
    let difference = zip(found.floats, expected.floats).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    let norm = expected.floats.reduce(0.0) { $0 + pow(Double($1), 2) }
    #expect(norm > 0)
    #expect((difference / norm).squareRoot() < 2e-6)
  }

  @Test(arguments: cases(kept: true)) func saysWhyASiteStays(_ form: Case) throws {
    let original = try Self.bytes(form.name)
    let patcher = try Patcher(try Model.load(bytes: original, path: form.name))
    #expect(patcher.sites.count == form.sites ?? 1)
    let expected = try #require(form.reason)
    for site in patcher.sites {
      #expect(!site.isReplaceable)
      #expect(site.reason?.sentence.contains(expected) == true, "\(site.reason?.sentence ?? "replaceable")")
    }
  }

  /// Values for what a model reads: about a third of a mask's elements hides.
  private static func inputs(_ session: Session, _ lengths: [String: Int]) throws -> [String: OnnxRuntime.Tensor] {
    var inputs: [String: OnnxRuntime.Tensor] = [:]
    for (seed, input) in session.inputs.enumerated() {
      let shape = input.dimensions.map { dimension in
        switch dimension {
        case .fixed(let length): length
        case .symbol(let name): lengths[name] ?? 0
        case .unknown: 0
        }
      }
      let count = shape.reduce(1, *)
      let keeps = (0..<count).map { $0 % 3 != 1 }
      inputs[input.name] =
        switch input.elementType {
        case .bool: try OnnxRuntime.Tensor(keeps, shape: shape)
        case .int32: try OnnxRuntime.Tensor(keeps.map { Int32($0 ? 1 : 0) }, shape: shape)
        default:
          try OnnxRuntime.Tensor(
            input.name == "keep"
              ? keeps.map { $0 ? 1 : 0 } : AttentionModel.noise(count, seed: 70 + seed).map { $0 * 3 }, shape: shape)
        }
    }
    return inputs
  }
}
