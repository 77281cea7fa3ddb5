import AttentionPatterns
import Foundation
import ISAPatch
import ONNXGraph
import SparseAttention
import TestSupport

/// What is tried with each input: everything that reading a model, patching it and restoring it does.
enum FuzzTarget {
  /// A file in memory, so that the job that reads files is tried too.
  private static let file = "/dev/shm/isa-patch-fuzz-\(getpid()).onnx"

  static func run(_ bytes: [UInt8]) {
    defer { unlink(file) }
    guard let stream = fopen(file, "w") else { return }
    fwrite(bytes, 1, bytes.count, stream)
    fclose(stream)
    do { check(try InspectJob(model: file).run().json.count > 0, "a report without text") } catch { judge(error) }
    guard let model = try? Model.load(bytes: bytes, path: "fuzz.onnx") else { return }
    for policy in [Policy.exact, .paper] {
      do { try patch(model, policy) } catch let error as ToolError { judge(error) } catch {}
    }
  }

  private static func patch(_ model: Model, _ policy: Policy) throws {
    let patcher = try Patcher(model)
    var policies: [String: SitePolicy] = [:]
    for site in patcher.sites where site.isReplaceable {
      policies[site.name] = .uniform(policy, heads: site.heads ?? 1)
    }
    guard !policies.isEmpty else { return }
    let base = try patcher.patched(PatchPlan(policies: policies, statistics: true))
    try model.withBytes { original in
      let patched = try RestoreDelta.patched(base: base, original: original, path: "fuzz.onnx")
      check(try RestoreDelta.restored(from: patched).elementsEqual(original), "another original was restored")
    }
  }

  /// An error of the file's is what is asked for; one of ours is a finding.
  private static func judge(_ error: ToolError) {
    check(error.status != .softwareBug, error.message)
    check(!error.message.isEmpty && !error.message.contains("\n"), "a message of several lines: \(error.message)")
  }

  private static func check(_ holds: Bool, _ what: @autoclosure () -> String) {
    if !holds { fatalError(what()) }
  }

  /// Small models of every form that the tests know, and their patched versions.
  static func seeds() -> [[UInt8]] {
    var models: [AttentionModel] = []
    for scale in AttentionModel.Scale.allCases { models.append(AttentionModel().with(\.scale, scale)) }
    for keys in AttentionModel.Keys.allCases {
      models.append(AttentionModel().with(\.keys, keys).with(\.isDynamic, true))
    }
    for mask in AttentionModel.Mask.allCases {
      models.append(AttentionModel().with(\.mask, mask).with(\.isDynamic, true).with(\.tokens, 4))
    }
    models.append(AttentionModel().with(\.isCross, true))
    // Small weights: what is mutated should be the graph.
    let originals = models.map { $0.with(\.heads, 2).with(\.headSize, 2).model.bytes }
    return originals
      + originals.prefix(3).compactMap { bytes in
        guard let model = try? Model.load(bytes: bytes, path: "seed.onnx"), let patcher = try? Patcher(model) else {
          return nil
        }
        let policies = Dictionary(
          patcher.sites.filter(\.isReplaceable).map { ($0.name, SitePolicy.uniform(.paper, heads: $0.heads ?? 1)) },
          uniquingKeysWith: { first, _ in first })
        let metadata = [("isa.version", Version.current)]
        return try? model.withBytes { original in
          try RestoreDelta.patched(
            base: patcher.patched(PatchPlan(policies: policies), metadata: metadata), original: original,
            path: "seed.onnx")
        }
      }
  }
}
