import AttentionPatterns
import Foundation
import ISAPatch
import ONNXGraph
import SparseAttention
import TestSupport
import Testing

/// Reasons that depend on what is asked for. Those of the graph alone are in `AttentionFormsTests`, those of policy in
/// `SiteSelectionTests`.
@Suite struct KeptSitesTests {
  private let folder: Folder

  init() throws { folder = try Folder() }

  private func reasons(_ options: PatchJob.Options) throws -> [String: String?] {
    var options = options
    options.output = "\(folder.path)/out.onnx"
    let sites = try PatchJob(options).run().report.sites
    return Dictionary(sites.map { ($0.name, $0.reason) }, uniquingKeysWith: { first, _ in first })
  }

  @Test func aBiasNeedsExactPolicies() throws {
    let model = try folder.write("m.onnx", AttentionModel().with(\.mask, .additive).model.bytes)
    var options = PatchJob.Options(model: model, mode: .paper, selection: SiteSelection(only: ["*"]))
    #expect(try reasons(options)["attn"] == KeptReason.biasNeedsExact.sentence)
    options.mode = .exact
    #expect(try reasons(options)["attn"] == .some(nil))
  }

  @Test func aProfileNamesItsSites() throws {
    let model = try folder.write("m.onnx", AttentionModel().model.bytes)
    let options = PatchJob.Options(
      model: model, mode: .policies([:], label: "none"), selection: SiteSelection(only: ["*"]))
    #expect(try reasons(options)["attn"] == KeptReason.notInProfile.sentence)
  }

  /// The body of a function stands in the file once, however often it is called.
  @Test func callsOfAFunctionGoTogether() throws {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures/forms/function_called_twice.onnx")
    let model = try folder.write("m.onnx", [UInt8](try Data(contentsOf: source)))
    let names = try Patcher(try Model.load(path: model)).sites.map(\.name)
    #expect(names.count == 2)
    var options = PatchJob.Options(model: model, selection: SiteSelection(only: [names[1]]))
    let kept = try reasons(options)
    #expect(kept[names[0]] == KeptReason.notSelected.sentence)
    #expect(kept[names[1]] == KeptReason.sharedBody(names[0]).sentence)
    options.selection = SiteSelection(only: ["*"])
    #expect(try reasons(options).values.allSatisfy { $0 == nil })
  }

  /// `--strict` ends with 1 where a site that was asked for stays, and no replaced site at all is no success.
  @Test func whatStaysIsNoSilentSuccess() throws {
    var m = AttentionModel().model
    m.output("probabilities", 1)
    let model = try folder.write("m.onnx", m.bytes)
    var options = PatchJob.Options(
      model: model, output: "\(folder.path)/out.onnx", selection: SiteSelection(only: ["*"]))
    options.strict = true
    let outcome = try PatchJob(options).run()
    #expect(outcome.status == .nothingReplaced)
    #expect(outcome.report.sites.first?.stoppedAt?.contains("Softmax") == true)
    #expect(bytes("\(folder.path)/out.onnx") == m.bytes)
  }
}
