import AttentionPatterns
import Foundation
import ISAPatch
import ONNXGraph
import OnnxRuntime
import SparseAttention
import TestSupport
import Testing

/// Patched models that other tools wrote since: quantisers, simplifiers, converters, ONNX Runtime itself.
@Suite struct ChangedModelTests {
  private let folder: Folder
  /// A threshold that float16 does not hold.
  private let policy = SitePolicy.uniform(
    Policy(select: .threshold(1e-6), rank: .gap), heads: 2, tile: Grid(frames: 1, rows: 2, columns: 2))

  init() throws { folder = try Folder() }

  private func patched() throws -> String {
    let model = try folder.write("m.onnx", AttentionModel().model.bytes)
    var options = PatchJob.Options(model: model, selection: SiteSelection(only: ["*"]))
    options.mode = .policies(["attn": policy], label: "test")
    let outcome = try PatchJob(options).run()
    return try #require(outcome.report.output)
  }

  /// The file with another tool's entry, and its operators changed.
  private func changed(_ path: String, _ change: (inout NewNode) -> Void = { _ in }) throws -> String {
    let model = try Model.load(path: path)
    var delta = ModelDelta()
    delta.metadata = [("tool", "another")]
    var graph = GraphDelta()
    for node in model.graph.nodes where node.domain == "isa" {
      var copy = NewNode(
        node.opType, domain: node.domain, name: node.name, inputs: node.inputs, outputs: node.outputs,
        attributes: node.attributes)
      change(&copy)
      graph.removedNodes.insert(node.index)
      graph.insert(copy, before: node.index)
    }
    delta[.main] = graph
    return try folder.write("changed.isa.onnx", try delta.applied(to: model))
  }

  @Test func canBeInspectedAndNotRestored() throws {
    let path = try patched()
    let before = try InspectJob(model: path).run()
    let other = try changed(path)
    let after = try InspectJob(model: other).run()
    #expect(after.sites.map(\.name) == before.sites.map(\.name))
    #expect(after.sites.map(\.policies) == before.sites.map(\.policies))
    #expect(after.sites.map(\.replaced) == [true])
    #expect(after.sites.map(\.queryLength) == before.sites.map(\.queryLength))
    #expect(after.sites.map(\.headSize) == before.sites.map(\.headSize))
    #expect(after.warnings.first?.contains("changed by another tool") == true)
    let restored = failure { _ = try RestoreJob(model: other, output: "\(folder.path)/back.onnx").run() }
    #expect(restored?.status == .dataError)
    #expect(restored?.message.contains(other) == true)
    #expect(failure { _ = try PatchJob(.init(model: other)).run() }?.message.contains("give the original") == true)
  }

  /// What converters make of the tensor; the list stays.
  private func rounded(_ node: inout NewNode) {
    guard case .tensor(let tensor)? = node.attributes["policies"], let values = tensor.floatValues() else { return }
    let halves = values.flatMap { value in
      let bits = Float16(value).bitPattern
      return [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
    }
    node.attributes["policies"] = .tensor(
      Tensor(name: "policies", elementType: .float16, dims: tensor.dims.map { Int($0) }, bytes: halves))
  }

  @Test func policiesSurviveFloat16() throws {
    let path = try patched()
    let other = try changed(path) { rounded(&$0) }
    let before = try #require(try InspectJob(model: path).run().sites.first?.policies)
    #expect(try InspectJob(model: other).run().sites.first?.policies == before)
    let record = String(decoding: try JSONEncoder().encode(before), as: UTF8.self)
    #expect(record.contains("1e-06") || record.contains("9.99") || record.contains("1e-6"))
    // The library reads the list too.
    let options = Session.Options(threads: 1, opLibraries: [PatchExactTests.operators])
    let runs = try [path, other].map { path in
      let session = try Session(Library.load(), model: .path(path), options: options)
      let x = try OnnxRuntime.Tensor(AttentionModel.noise(12 * 16, seed: 3), shape: [1, 12, 16])
      return try #require(try session.run(["x": x])["y"]).floats
    }
    #expect(runs[0] == runs[1])
  }

  /// Files written before have the tensor alone: rounded, it says nothing any more.
  @Test func theTensorAloneIsReadAsBefore() throws {
    let path = try patched()
    let before = try #require(try InspectJob(model: path).run().sites.first?.policies)
    let old = try changed(path) { $0.attributes["policy_rows"] = nil }
    #expect(try InspectJob(model: old).run().sites.first?.policies == before)
    let useless = try changed(path) { node in
      node.attributes["policy_rows"] = nil
      rounded(&node)
    }
    #expect(try InspectJob(model: useless).run().sites.first.map { $0.policies == nil } == true)
    let options = Session.Options(threads: 1, opLibraries: [PatchExactTests.operators])
    #expect(throws: (any Error).self) { try Session(Library.load(), model: .path(useless), options: options) }
  }

  /// ONNX Runtime imports our domain in every model that it saves while the library is loaded.
  @Test func anImportAloneIsNoPatch() throws {
    let opset = Proto().message(8, Proto().text(1, "isa").int(2, 1000)).bytes
    let path = try folder.write("m.onnx", AttentionModel().model.bytes + opset)
    let outcome = try PatchJob(.init(model: path, selection: SiteSelection(only: ["*"]))).run()
    #expect(outcome.report.replaced == 1)
    let session = try Session(
      Library.load(), model: .path(try #require(outcome.report.output)),
      options: .init(threads: 1, opLibraries: [PatchExactTests.operators]))
    #expect(session.inputs.map(\.name) == ["x"])
  }

  /// Constants under names that ONNX Runtime's optimisers give again.
  @Test func namesOfOptimisersAreGivenBack() throws {
    let taken = ["gemm_input_shape", "gemm_output_shape_token_7", "splits", "other_token_3", "other", "split_token_x"]
    var m = AttentionModel().model
    var value = "y"
    for (number, name) in taken.enumerated() {
      m.initializer(name, int64s: [1, 12, 16], shape: [3])
      m.node("Reshape", [value, name], ["z\(number)"])
      value = "z\(number)"
    }
    m.output(value, 1)
    let original = m.bytes
    let model = try Model.load(bytes: original, path: "m.onnx")
    let patcher = try Patcher(model)
    let patched = try patcher.patched(PatchPlan(policies: ["attn": .uniform(.exact, heads: 2)]))
    let names = try Model.load(bytes: patched, path: "m.onnx").graph.initializers.map(\.name)
    #expect(Set(names).isDisjoint(with: taken.dropLast()))
    #expect(names.contains("split_token_x"))
    #expect(Set(names).count == names.count)
    let library = try Library.load()
    let x = try OnnxRuntime.Tensor(AttentionModel.noise(12 * 16, seed: 3), shape: [1, 12, 16])
    let ours = try Session(
      library, model: .bytes(patched), options: .init(threads: 1, opLibraries: [PatchExactTests.operators]))
    let theirs = try Session(library, model: .bytes(original), options: .init(threads: 1))
    let (found, expected) = (try ours.run(["x": x])[value]?.floats, try theirs.run(["x": x])[value]?.floats)
    #expect(zip(try #require(found), try #require(expected)).allSatisfy { abs($0 - $1) < 1e-5 })
  }
}
