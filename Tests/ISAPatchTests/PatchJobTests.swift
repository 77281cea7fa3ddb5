import AttentionPatterns
import Foundation
import ISAPatch
import TestSupport
import Testing

/// A folder of its own for each test.
final class Folder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("isa-patch-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  var contents: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path))?.sorted() ?? [] }
}

func failure(_ body: () throws -> Void) -> ToolError? {
  do {
    try body()
    return nil
  } catch { return error as? ToolError }
}

func bytes(_ path: String) -> [UInt8]? { FileManager.default.contents(atPath: path).map(Array.init) }

@Suite struct PatchJobTests {
  private let folder: Folder
  private let model: String
  private let original = AttentionModel().model.bytes

  init() throws {
    folder = try Folder()
    model = try folder.write("m.onnx", original)
  }

  private func patch(_ change: (inout PatchJob.Options) -> Void = { _ in }) throws -> PatchJob.Outcome {
    var options = PatchJob.Options(model: model, selection: SiteSelection(minTokens: 1))
    change(&options)
    return try PatchJob(options).run()
  }

  @Test func writesBesideTheModelAndRestores() throws {
    let outcome = try patch()
    #expect(outcome.status == .success)
    #expect(outcome.report.output == "\(folder.path)/m.isa.onnx")
    #expect(folder.contents == ["m.isa.onnx", "m.onnx"])
    let report = try RestoreJob(model: "\(folder.path)/m.isa.onnx", output: "\(folder.path)/back.onnx").run()
    #expect(bytes(report.output) == original)
  }

  @Test func givesTheSameBytesEveryTime() throws {
    _ = try patch { $0.output = "\(folder.path)/a.onnx" }
    _ = try patch { $0.output = "\(folder.path)/b.onnx" }
    #expect(bytes("\(folder.path)/a.onnx") == bytes("\(folder.path)/b.onnx"))
  }

  @Test func leavesAModelWithoutSitesAsItIs() throws {
    let outcome = try patch { $0.selection.minTokens = 1024 }
    #expect(outcome.status == .nothingReplaced)
    #expect(outcome.report.sites.first?.reason != nil)
    #expect(bytes("\(folder.path)/m.isa.onnx") == original)
  }

  @Test func writesNothingWhenDry() throws {
    let outcome = try patch { $0.dryRun = true }
    #expect(outcome.report.replaced == 1)
    #expect(outcome.report.output == nil)
    #expect(folder.contents == ["m.onnx"])
  }

  @Test func refusesAPatchedModel() throws {
    _ = try patch()
    let error = failure { _ = try patch { $0.model = "\(folder.path)/m.isa.onnx" } }
    #expect(error?.status == .dataError)
    #expect(error?.message.contains("restore") == true)
    #expect(folder.contents == ["m.isa.onnx", "m.onnx"])
  }

  @Test func strictnessIsAboutSitesThatStay() throws {
    #expect(try patch { $0.strict = true }.status == .success)
    let causal = try folder.write("c.onnx", AttentionModel().with(\.mask, .causal).model.bytes)
    let outcome = try patch {
      $0.model = causal
      $0.strict = true
    }
    #expect(outcome.status == .nothingReplaced)
  }

  @Test func inspectsWhatItPatched() throws {
    let before = try InspectJob(model: model).run()
    #expect(before.sites.map(\.replaced) == [false])
    #expect(before.sites.map(\.replaceable) == [true])
    _ = try patch()
    let after = try InspectJob(model: "\(folder.path)/m.isa.onnx").run()
    #expect(after.sites.map(\.name) == before.sites.map(\.name))
    #expect(after.sites.map(\.replaced) == [true])
    #expect(after.sites.first?.policies != nil)
  }

  @Test func documentsHaveTheirKeys() throws {
    let json = try InspectJob(model: model).run().json
    let document = try #require(
      try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(document["schema"] as? String == "isa-patch/inspect/1")
    let site = try #require((document["sites"] as? [[String: Any]])?.first)
    let keys = [
      "name", "output", "path", "nodes", "kind", "axis", "pattern", "heads", "kv_heads", "head_size", "query_length",
      "key_length", "segments", "replaced", "replaceable", "reason",
    ]
    for key in keys { #expect(site[key] != nil, "\(key) is missing") }
    #expect(site["output"] as? String == "probabilities")
    #expect(site["query_length"] as? Int == 12)
  }

  @Test func segmentsHaveToAddUp() throws {
    let error = failure { _ = try patch { $0.segments = "target=5,context=6" } }
    #expect(error?.status == .dataError)
    #expect(error?.message.contains("11") == true)
    #expect(failure { _ = try patch { $0.segments = "target=5:2" } }?.status == .usage)
    #expect(folder.contents == ["m.onnx"])
    let outcome = try patch { $0.segments = "target=8:2x2x2,context=4" }
    #expect(outcome.report.sites.first?.segments.map(\.kind) == ["target", "context"])
  }

  @Test func badInputHasItsStatus() throws {
    #expect(failure { _ = try patch { $0.model = "\(folder.path)/none.onnx" } }?.status == .noInput)
    let text = try folder.write("text.onnx", Array("this is no model, it is a text".utf8))
    #expect(failure { _ = try patch { $0.model = text } }?.status == .dataError)
    let cut = try folder.write("cut.onnx", Array(original.prefix(original.count / 2)))
    #expect(failure { _ = try patch { $0.model = cut } }?.status == .dataError)
    #expect(failure { _ = try patch { $0.output = "\(folder.path)/no/such/m.onnx" } }?.status == .cannotCreate)
    #expect(failure { _ = try patch { $0.output = folder.path } }?.status == .cannotCreate)
    #expect(failure { _ = try patch { $0.mode = .profile("\(folder.path)/none.json") } }?.status == .noInput)
    let profile = try folder.write("p.json", Array("{}".utf8))
    #expect(failure { _ = try patch { $0.mode = .profile(profile) } }?.status == .dataError)
    #expect(failure { _ = try patch { $0.adapter = "none" } }?.status == .configuration)
    #expect(failure { _ = try patch { $0.selection.only = ["blocks.*"] } }?.status == .usage)
    #expect(failure { _ = try RestoreJob(model: model).run() }?.status == .dataError)
    #expect(folder.contents == ["cut.onnx", "m.onnx", "p.json", "text.onnx"])
  }

  @Test func refusesAPatchedFileThatWasChanged() throws {
    _ = try patch()
    let path = "\(folder.path)/m.isa.onnx"
    var changed = try #require(bytes(path))
    // A weight's byte, early in the file.
    changed[200] ^= 1
    let other = try folder.write("changed.isa.onnx", changed)
    let error = failure { _ = try RestoreJob(model: other, output: "\(folder.path)/back.onnx").run() }
    #expect(error?.status == .dataError)
    #expect(!folder.contents.contains("back.onnx"))
  }
}
