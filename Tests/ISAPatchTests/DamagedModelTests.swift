import Foundation
import ISAPatch
import ONNXGraph
import SparseAttention
import TestSupport
import Testing

/// Models that are nearly right: reading and patching end with an error or a legal graph, never in between.
@Suite struct DamagedModelTests {
  private static let models: [[UInt8]] = [
    AttentionModel().model.bytes, AttentionModel().with(\.isDynamic, true).with(\.mask, .keysWithNaNGuard).model.bytes,
    AttentionModel().with(\.keys, .threeDimensional).with(\.scale, .shapeOfQuery).model.bytes,
  ]

  /// Patches every site that can be replaced; true where a patched model came of it.
  private func survives(_ bytes: [UInt8]) -> Bool {
    do {
      let patcher = try Patcher(try Model.load(bytes: bytes, path: "damaged.onnx"))
      var policies: [String: SitePolicy] = [:]
      for site in patcher.sites where site.isReplaceable {
        policies[site.name] = .uniform(.exact, heads: site.heads ?? 1)
      }
      // What it gives has loaded again and passed the specification.
      _ = try patcher.patched(PatchPlan(policies: policies))
      return true
    } catch let error as ToolError {
      // A graph of ours that is not legal would be a bug.
      #expect(error.status != .softwareBug, "\(error.message)")
      return false
    } catch {
      return false
    }
  }

  @Test(arguments: models) func everyTruncationEnds(_ bytes: [UInt8]) {
    for count in 0..<bytes.count { _ = survives(Array(bytes.prefix(count))) }
    #expect(survives(bytes))
  }

  /// Every form of attention that the fixtures have, each a few hundred bytes.
  @Test func everyTruncationOfEveryFormEnds() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures/forms")
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "onnx" }.sorted { $0.path < $1.path }
    #expect(files.count >= 20)
    for file in files {
      let bytes = [UInt8](try Data(contentsOf: file))
      for count in 0..<min(bytes.count, 4096) { _ = survives(Array(bytes.prefix(count))) }
    }
  }

  /// One byte changed, at random but the same on every run.
  @Test(arguments: models) func everyChangedByteEnds(_ bytes: [UInt8]) {
    var state: UInt64 = 0x2545_f491_4f6c_dd1d
    var survivors = 0
    for _ in 0..<2000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      var changed = bytes
      changed[Int((state >> 33) % UInt64(bytes.count))] ^= UInt8(truncatingIfNeeded: state >> 24) | 1
      if survives(changed) { survivors += 1 }
    }
    // Most changes fall into weights.
    #expect(survivors > 1000)
  }
}
