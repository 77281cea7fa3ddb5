import Foundation
import ISAPatch
import OnnxRuntime
import Reporting
import SparseAttention
import TestSupport
import Testing
import VideoPipeline

@Suite struct BenchTests {
  private static let row = BenchReport.Row(
    name: "mass 1/8", tokens: 1000, heads: 2, headSize: 50, threads: 2, compute: .bfloat16, executedDensity: 0.25,
    median: 0.002, best: 0.001, peer: .multiHeadAttention, peerMedian: 0.006, peerBest: 0.005, peak: 100e9)

  @Test func reportHasTheSchemasKeys() throws {
    let text = BenchReport(machine: "some CPU", rows: [Self.row]).json
    let document = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(document["schema"] as? String == "isa-patch/bench/1")
    #expect(document["machine"] as? String == "some CPU")
    let row = try #require((document["rows"] as? [[String: Any]])?.first)
    let fixed = [
      "case", "tokens", "heads", "head_size", "threads", "compute", "executed_density", "median_ms", "peer",
      "peer_median_ms", "speedup", "fraction_of_peak",
    ]
    #expect(fixed.allSatisfy { row[$0] != nil })
    #expect(row["case"] as? String == "mass 1/8")
    #expect(row["peer"] as? String == "MultiHeadAttention")
  }

  @Test func speedupAndShareOfPeak() {
    #expect(abs(Self.row.speedup - 3) < 1e-12)
    // Two products, each of 2 operations a pair, channel and head: 4 · 250,000 · 100 in 2 ms of two threads of 100 G/s.
    #expect(abs(Self.row.fractionOfPeak - 1e8 / (0.002 * 200e9)) < 1e-12)
  }

  @Test(arguments: [
    ("exact", "exact"), ("paper", "paper"), ("mass", "mass 1/8"), ("gap", "gap 1/8"), ("gap 1/16", "gap 1/16"),
    ("mass:1/2", "mass 1/2"),
  ]) func casesHaveNames(text: String, name: String) {
    #expect(BenchCase(text)?.name == name)
  }

  @Test(arguments: ["", "dense", "mass 1/0", "mass 2/8", "exact 1/8", "gap 1/8 1/8"]) func otherCasesAreRefused(text: String) {
    #expect(BenchCase(text) == nil)
  }

  @Test(arguments: [
    BenchAttentionJob(tokens: [0]), BenchAttentionJob(tokens: []), BenchAttentionJob(tokens: [2_000_000]),
    BenchAttentionJob(heads: 0), BenchAttentionJob(headSize: 257), BenchAttentionJob(threads: [-1]),
    BenchAttentionJob(cases: []), BenchAttentionJob(repeats: 0),
  ]) func unreasonableNumbersAreUsageErrors(job: BenchAttentionJob) throws {
    let error = try #require(throws: ToolError.self) { try job.validate() }
    #expect(error.status == .usage)
  }

  @Test func profileIsSplitByRunAndNode() throws {
    let text = """
      [{"cat":"Session","pid":1,"tid":1,"dur":5,"ts":1,"ph":"X","name":"model_loading_array","args":{}},
       {"cat":"Node","pid":1,"tid":1,"dur":200,"ts":110,"ph":"X","name":"a_kernel_time","args":{"op_name":"MatMul"}},
       {"cat":"Node","pid":1,"tid":1,"dur":1,"ts":109,"ph":"X","name":"a_fence_before","args":{"op_name":"MatMul"}},
       {"cat":"Session","pid":1,"tid":1,"dur":400,"ts":100,"ph":"X","name":"model_run","args":{}},
       {"cat":"Node","pid":1,"tid":1,"dur":300,"ts":1010,"ph":"X","name":"a_kernel_time","args":{"op_name":"MatMul"}},
       {"cat":"Node","pid":1,"tid":1,"dur":50,"ts":1400,"ph":"X","name":"b_kernel_time","args":{"op_name":"MatMul"}},
       {"cat":"Session","pid":1,"tid":1,"dur":600,"ts":1000,"ph":"X","name":"model_run","args":{}}]
      """
    let profile = try BenchProfile(json: Data(text.utf8))
    #expect(profile.types == ["a": "MatMul", "b": "MatMul"])
    #expect(profile.runs.count == 2)
    #expect(profile.runs[0].nodes.keys.sorted() == ["a"])
    #expect(abs(profile.runs[0].seconds - 400e-6) < 1e-12)
    #expect(abs((profile.runs[1].nodes["a"] ?? 0) - 300e-6) < 1e-12)
    #expect(abs((profile.runs[1].operators["MatMul"] ?? 0) - 350e-6) < 1e-12)
  }

  @Test func whatIsNoProfileIsADataError() throws {
    let error = try #require(throws: ToolError.self) { try BenchProfile(json: Data("{}".utf8)) }
    #expect(error.status == .dataError)
  }

  /// The optimiser names what it makes after a node of the original; `MatMul_1` is a node of its own.
  @Test func optimisedNodesBelongToTheirOriginals() {
    let all: Set = ["/attn/MatMul", "/attn/MatMul_1", "/mlp/MatMul", "/attn"]
    let wanted: Set = ["/attn/MatMul"]
    #expect(BenchProfile.belongs("/attn/MatMul", to: wanted, of: all))
    #expect(BenchProfile.belongs("/attn/MatMul_FusedMatMulAndScale", to: wanted, of: all))
    #expect(BenchProfile.belongs("/attn/MatMul/MatmulTransposeFusion/", to: wanted, of: all))
    #expect(!BenchProfile.belongs("/attn/MatMul_1", to: wanted, of: all))
    #expect(!BenchProfile.belongs("/attn/MatMul_1_FusedMatMulAndScale", to: wanted, of: all))
    #expect(!BenchProfile.belongs("/mlp/MatMul", to: wanted, of: all))
  }

  /// ONNX Runtime's profile calls such nodes by numbers of its own.
  @Test func nodesWithoutNamesAreToldApart() throws {
    let folder = try Folder()
    var m = TinyModel(opset: 17)
    m.input("x", 1, [1, 2, 256, 16])
    m.node("Transpose", ["x"], ["k"], ["perm": .ints([0, 1, 3, 2])])
    m.node("MatMul", ["x", "k"], ["scores"])
    m.node("Softmax", ["scores"], ["weights"], ["axis": .int(-1)])
    m.node("MatMul", ["weights", "x"], ["mixed"])
    m.node("Erf", ["mixed"], ["y"])
    m.output("y", 1)
    let model = try folder.write("m.onnx", m.bytes)
    let x = try OnnxRuntime.Tensor(AttentionModel.noise(2 * 256 * 16, seed: 1), shape: [1, 2, 256, 16])
    let inputs = try folder.write("x.npz", Npz.encode([("x", x)]))
    let report = try BenchModelJob(model: model, inputs: inputs, repeats: 1).run(progress: .standardError(quiet: true))
    let split = try #require(report.models.first)
    #expect(split.sites == 1)
    #expect(split.attention > 0)
    #expect(split.rest.map { $0.type } == ["Erf"])
  }
}
