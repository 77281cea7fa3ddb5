import Foundation
import ISAPatch
import ONNXGraph
import OnnxRuntime
import SparseAttention
import TestSupport
import Testing

/// Exact attention in a site's place gives what ONNX Runtime gives on the original.
@Suite struct PatchExactTests {
  static let operators: String = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    return root + "/.build/release/libisa_ops.so"
  }()

  /// Every placement of the scale with every form of k, and every mask.
  static let variants: [AttentionModel] = {
    let base = AttentionModel()
    var list: [AttentionModel] = []
    for scale in AttentionModel.Scale.allCases {
      for keys in AttentionModel.Keys.allCases {
        for isDynamic in [false, true] {
          list.append(base.with(\.scale, scale).with(\.keys, keys).with(\.isDynamic, isDynamic))
        }
      }
    }
    for mask in AttentionModel.Mask.allCases where mask != .causal {
      for isCross in [false, true] {
        let isDynamic = mask != .zeros
        list.append(base.with(\.mask, mask).with(\.isCross, isCross).with(\.isDynamic, isDynamic))
      }
    }
    list.append(base.with(\.opset, 12))
    list.append(base.with(\.opset, 12).with(\.mask, .keysByWhere))
    list.append(base.with(\.heads, 1))
    return list
  }()

  @Test(arguments: variants) func agreesWithTheOriginal(_ variant: AttentionModel) throws {
    let original = variant.model.bytes
    let model = try Model.load(bytes: original, path: "tiny.onnx")
    let patcher = try Patcher(model)
    let site = try #require(patcher.sites.first)
    #expect(patcher.sites.count == 1)
    #expect(site.heads == variant.heads)
    #expect(site.headSize == variant.headSize)
    let plan = PatchPlan(policies: [site.name: .uniform(.exact, heads: variant.heads)])
    let patched = try patcher.patched(plan)
    let result = try Model.load(bytes: patched, path: "tiny.isa.onnx")
    #expect(result.graph.nodes.count { $0.domain == "isa" } == 1)
    #expect(!result.graph.nodes.contains { ["Softmax", "Transpose", "IsNaN"].contains($0.opType) })

    let library = try Library.load()
    let ours = try Session(library, model: .bytes(patched), options: .init(threads: 2, opLibraries: [Self.operators]))
    let theirs = try Session(library, model: .bytes(original), options: .init(threads: 2))
    for tokens in variant.isDynamic ? [1, 12, 70] : [variant.tokens] {
      let inputs = try Self.inputs(variant, tokens: tokens)
      let expected = try #require(try theirs.run(inputs)["y"])
      let found = try #require(try ours.run(inputs)["y"])
      #expect(found.shape == expected.shape)
      #expect(relativeError(found.floats, expected.floats) < 2e-6, "\(tokens) tokens")
    }
  }

  private static func inputs(_ variant: AttentionModel, tokens: Int) throws -> [String: OnnxRuntime.Tensor] {
    let width = variant.width
    let batch = variant.isDynamic ? 2 : 1
    let keys = variant.isCross ? variant.textTokens : tokens
    var inputs = [
      "x": try OnnxRuntime.Tensor(
        AttentionModel.noise(batch * tokens * width, seed: 31), shape: [batch, tokens, width])
    ]
    if variant.isCross {
      inputs["text"] = try OnnxRuntime.Tensor(
        AttentionModel.noise(batch * keys * width, seed: 32), shape: [batch, keys, width])
    }
    switch variant.mask {
    case .none, .zeros, .causal: break
    case .additive:
      inputs["bias"] = try OnnxRuntime.Tensor(
        AttentionModel.noise(tokens * keys, seed: 33), shape: [1, 1, tokens, keys])
    case .keysByWhere, .keysAdded, .keysWithNaNGuard:
      let keep = (0..<keys).map { $0 % 3 != 1 }
      inputs["keep"] = try OnnxRuntime.Tensor(keep, shape: [1, 1, 1, keys])
    }
    return inputs
  }

  /// ‖a − b‖ / ‖b‖ in float64; infinite where the counts differ.
  private func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    guard a.count == b.count else { return .infinity }
    var difference = 0.0
    var norm = 0.0
    for (x, y) in zip(a, b) {
      difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
      norm += Double(y) * Double(y)
    }
    return norm > 0 ? (difference / norm).squareRoot() : difference.squareRoot()
  }

  @Test func readsStraightFromTheProjections() throws {
    let patcher = try Patcher(try Model.load(bytes: AttentionModel().model.bytes, path: "tiny.onnx"))
    let site = try #require(patcher.sites.first)
    let patched = try patcher.patched(PatchPlan(policies: [site.name: .uniform(.exact, heads: 2)]))
    let node = try #require(try Model.load(bytes: patched, path: "t").graph.nodes.first { $0.domain == "isa" })
    #expect(node.inputs.prefix(3) == ["q", "k", "v"])
    #expect(node.outputs == ["joined"])
    #expect(node.string("layout") == "BSE")
    #expect(node.float("scale").map { abs($0 - 1 / Float(8).squareRoot()) < 1e-6 } == true)
  }

  @Test func removesWhatNobodyReadsAnyMore() throws {
    let patcher = try Patcher(try Model.load(bytes: AttentionModel().model.bytes, path: "tiny.onnx"))
    let site = try #require(patcher.sites.first)
    let patched = try patcher.patched(PatchPlan(policies: [site.name: .uniform(.exact, heads: 2)]))
    let graph = try Model.load(bytes: patched, path: "t").graph
    let read = Set(graph.nodes.flatMap(\.inputs) + graph.outputs.map(\.name))
    for node in graph.nodes { #expect(node.outputs.contains { read.contains($0) }, "\(node.opType) is dead") }
    for tensor in graph.initializers { #expect(read.contains(tensor.name), "\(tensor.name) is unused") }
  }

  @Test func pointsAreAnInputWithADefault() throws {
    let patcher = try Patcher(try Model.load(bytes: AttentionModel().model.bytes, path: "tiny.onnx"))
    let site = try #require(patcher.sites.first)
    let policy = SitePolicy(points: [[.exact, .exact], [.paper, .exact]])
    let patched = try patcher.patched(PatchPlan(policies: [site.name: policy], statistics: true))
    let session = try Session(
      try Library.load(), model: .bytes(patched), options: .init(threads: 1, opLibraries: [Self.operators]))
    #expect(session.overridableInitializers.map(\.name) == ["isa.point"])
    let name = "isa.statistics/\(site.name)"
    let inputs = try Self.inputs(AttentionModel(), tokens: 12)
    #expect(try session.run(inputs)[name]?.shape == [1, 2, 4])
    var other = inputs
    other["isa.point"] = OnnxRuntime.Tensor(scalar: Int64(1))
    #expect(try session.run(other)["y"] != nil)
    other["isa.point"] = OnnxRuntime.Tensor(scalar: Int64(2))
    #expect(throws: RuntimeError.self) { try session.run(other) }
  }

  @Test func causalAttentionStays() throws {
    let bytes = AttentionModel().with(\.mask, .causal).model.bytes
    let patcher = try Patcher(try Model.load(bytes: bytes, path: "tiny.onnx"))
    let site = try #require(patcher.sites.first)
    #expect(site.reason == .causal)
    #expect(try patcher.patched(PatchPlan(policies: [site.name: .uniform(.exact, heads: 2)])) == bytes)
  }
}
