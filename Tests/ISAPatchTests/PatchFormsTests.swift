import ISAPatch
import ONNXGraph
import OnnxRuntime
import SparseAttention
import TestSupport
import Testing

/// Forms of attention beyond the common one, over q, k, v [2, heads 3, 10 tokens, 4]: replaced with the same result, or kept
/// with the reason.
@Suite struct PatchFormsTests {
  enum Form: String, CaseIterable {
    case maximumExpAndSum, logSumExp, softmaxOverRows, weightsSecond, einsum, einsumWithoutHeads, einsumValuesFirst
    case fusedMatMul, gemmInTwoDimensions, standardOperator, standardOperatorThreeDimensional, multiHeadAttention

    /// 23 where the form is the standard operator's.
    var opset: Int { rawValue.hasPrefix("standard") ? 23 : 17 }
  }

  @Test(arguments: Form.allCases) func agreesWithTheOriginal(_ form: Form) throws {
    let original = Self.model(form).bytes
    let patcher = try Patcher(try Model.load(bytes: original, path: "form.onnx"))
    #expect(patcher.sites.count == 1)
    let site = try #require(patcher.sites.first)
    #expect(site.isReplaceable, "\(site.reason?.sentence ?? "")")
    let heads = try #require(site.heads)
    let patched = try patcher.patched(PatchPlan(policies: [site.name: .uniform(.exact, heads: heads)]))
    let library = try Library.load()
    let ours = try Session(
      library, model: .bytes(patched), options: .init(threads: 1, opLibraries: [PatchExactTests.operators]))
    let theirs = try Session(library, model: .bytes(original), options: .init(threads: 1))
    let inputs = try Self.inputs(form)
    let expected = try #require(try theirs.run(inputs)["y"])
    let found = try #require(try ours.run(inputs)["y"])
    #expect(found.shape == expected.shape)
    #expect(Self.relativeError(found.floats, expected.floats) < 2e-6)
  }

  enum Kept: String, CaseIterable {
    case softCap, weightsTimesSomething, reshapedScores, weightsAreAnOutput, groupQuery, cappedOperator

    var opset: Int { self == .cappedOperator ? 23 : 17 }
    var expected: KeptReasonText {
      switch self {
      case .softCap, .cappedOperator: "soft cap"
      case .weightsTimesSomething: "weights times something"
      case .reshapedScores: "reshaped scores"
      case .weightsAreAnOutput: "also used by the graph's output"
      case .groupQuery: "causal"
      }
    }
  }

  typealias KeptReasonText = String

  @Test(arguments: Kept.allCases) func saysWhyASiteStays(_ form: Kept) throws {
    let original = Self.model(form).bytes
    let patcher = try Patcher(try Model.load(bytes: original, path: "kept.onnx"))
    let site = try #require(patcher.sites.first)
    #expect(patcher.sites.count == 1)
    #expect(site.heads == 3)
    #expect(site.reason?.sentence.contains(form.expected) == true, "\(site.reason?.sentence ?? "replaceable")")
    #expect(site.reason?.isForCorrectness == true)
    // Asked for all the same, the file stays byte for byte.
    #expect(try patcher.patched(PatchPlan(policies: [site.name: .uniform(.exact, heads: 3)])) == original)
  }

  // MARK: Models

  private static var shape: [TinyModel.Dimension] { [2, 3, 10, 4] }

  private static func shape(_ form: Form) -> [Int] {
    switch form {
    case .gemmInTwoDimensions: [10, 4]
    case .einsumWithoutHeads: [2, 10, 4]
    case .standardOperatorThreeDimensional, .multiHeadAttention: [2, 10, 12]
    case .einsum, .einsumValuesFirst: [2, 10, 3, 4]
    default: [2, 3, 10, 4]
    }
  }

  private static func inputs(_ form: Form) throws -> [String: OnnxRuntime.Tensor] {
    let shape = shape(form)
    var inputs: [String: OnnxRuntime.Tensor] = [:]
    for (seed, name) in ["q", "k", "v"].enumerated() {
      inputs[name] = try OnnxRuntime.Tensor(
        AttentionModel.noise(shape.reduce(1, *), seed: 40 + seed).map { $0 * 2 }, shape: shape)
    }
    return inputs
  }

  private static func model(_ form: Form) -> TinyModel {
    var m = TinyModel(irVersion: form.opset > 17 ? 10 : 8, opset: form.opset)
    for name in ["q", "k", "v"] { m.input(name, 1, shape(form).map { .fixed($0) }) }
    m.initializer("c", floats: [0.5], shape: [])
    m.initializer("last", int64s: [-1], shape: [1])
    func scores(_ m: inout TinyModel) {
      m.node("Transpose", ["k"], ["kt"], ["perm": .ints([0, 1, 3, 2])])
      m.node("MatMul", ["q", "kt"], ["qk"])
      m.node("Mul", ["qk", "c"], ["s"])
    }
    switch form {
    case .maximumExpAndSum:
      scores(&m)
      m.node("ReduceMax", ["s"], ["max"], ["axes": .ints([-1])])
      m.node("Sub", ["s", "max"], ["d"])
      m.node("Exp", ["d"], ["e"])
      m.node("ReduceSum", ["e", "last"], ["sum"])
      m.node("Div", ["e", "sum"], ["p"])
      m.node("MatMul", ["p", "v"], ["y"])
    case .logSumExp:
      scores(&m)
      m.node("ReduceLogSumExp", ["s"], ["lse"], ["axes": .ints([-1])])
      m.node("Sub", ["s", "lse"], ["d"])
      m.node("Exp", ["d"], ["p"])
      m.node("MatMul", ["p", "v"], ["y"])
    case .softmaxOverRows:
      m.node("Transpose", ["q"], ["qt"], ["perm": .ints([0, 1, 3, 2])])
      m.node("MatMul", ["k", "qt"], ["s"])
      m.node("Softmax", ["s"], ["pt"], ["axis": .int(-2)])
      m.node("Transpose", ["pt"], ["p"], ["perm": .ints([0, 1, 3, 2])])
      m.node("MatMul", ["p", "v"], ["y"])
    case .weightsSecond:
      scores(&m)
      m.node("Softmax", ["s"], ["p"], ["axis": .int(-1)])
      m.node("Transpose", ["p"], ["pt"], ["perm": .ints([0, 1, 3, 2])])
      m.node("Transpose", ["v"], ["vt"], ["perm": .ints([0, 1, 3, 2])])
      m.node("MatMul", ["vt", "pt"], ["yt"])
      m.node("Transpose", ["yt"], ["y"], ["perm": .ints([0, 1, 3, 2])])
    case .einsum, .einsumValuesFirst:
      m.node("Einsum", ["q", "k"], ["qk"], ["equation": .string("b n h d, b m h d -> b h n m")])
      m.node("Div", ["qk", "c"], ["s"])
      m.node("Softmax", ["s"], ["p"], ["axis": .int(-1)])
      if form == .einsum {
        m.node("Einsum", ["p", "v"], ["y"], ["equation": .string("bhnm,bmhd->bnhd")])
      } else {
        m.node("Einsum", ["v", "p"], ["y"], ["equation": .string("bmhd,bhnm->bnhd")])
      }
    case .einsumWithoutHeads:
      m.node("Einsum", ["q", "k"], ["s"], ["equation": .string("bid,bjd->bij")])
      m.node("Softmax", ["s"], ["p"], ["axis": .int(-1)])
      m.node("Einsum", ["p", "v"], ["y"], ["equation": .string("bij,bjd->bid")])
    case .fusedMatMul:
      m.node(
        "FusedMatMul", domain: "com.microsoft", ["q", "k"], ["s"], ["alpha": .float(0.25), "transB": .int(1)])
      m.node("Softmax", ["s"], ["p"], ["axis": .int(-1)])
      m.node("MatMul", ["p", "v"], ["y"])
    case .gemmInTwoDimensions:
      m.node("Gemm", ["q", "k"], ["s"], ["alpha": .float(0.25), "transB": .int(1)])
      m.node("Softmax", ["s"], ["p"], ["axis": .int(-1)])
      m.node("Gemm", ["p", "v"], ["y"])
    case .standardOperator:
      m.node("Attention", ["q", "k", "v"], ["y"])
    case .standardOperatorThreeDimensional:
      m.node(
        "Attention", ["q", "k", "v"], ["y"],
        ["q_num_heads": .int(3), "kv_num_heads": .int(3), "scale": .float(0.3)])
    case .multiHeadAttention:
      m.initializer("bias", floats: AttentionModel.noise(36, seed: 50), shape: [36])
      m.node("MultiHeadAttention", domain: "com.microsoft", ["q", "k", "v", "bias"], ["y"], ["num_heads": .int(3)])
    }
    m.output("y", 1)
    return m
  }

  private static func model(_ form: Kept) -> TinyModel {
    var m = TinyModel(irVersion: form.opset > 17 ? 10 : 8, opset: form.opset)
    let isFlat = form == .groupQuery
    for name in ["q", "k", "v"] { m.input(name, 1, isFlat ? [2, 10, 12] : shape) }
    m.initializer("c", floats: [20], shape: [])
    var scores = "qk"
    if !isFlat, form != .cappedOperator {
      m.node("Transpose", ["k"], ["kt"], ["perm": .ints([0, 1, 3, 2])])
      m.node("MatMul", ["q", "kt"], ["qk"])
    }
    switch form {
    case .softCap:
      m.node("Div", ["qk", "c"], ["small"])
      m.node("Tanh", ["small"], ["bent"])
      m.node("Mul", ["bent", "c"], ["s"])
      scores = "s"
    case .reshapedScores:
      m.initializer("five", int64s: [2, 3, 10, 5, 2], shape: [5])
      m.initializer("four", int64s: [2, 3, 10, 10], shape: [4])
      m.initializer("shift", floats: AttentionModel.noise(10, seed: 60), shape: [1, 1, 1, 5, 2])
      m.node("Reshape", ["qk", "five"], ["windows"])
      m.node("Add", ["windows", "shift"], ["shifted"])
      m.node("Reshape", ["shifted", "four"], ["s"])
      scores = "s"
    case .cappedOperator:
      m.node("Attention", ["q", "k", "v"], ["y"], ["softcap": .float(20)])
    case .groupQuery:
      m.input("lengths", 6, [2])
      m.input("total", 6, [1])
      m.node(
        "GroupQueryAttention", domain: "com.microsoft", ["q", "k", "v", "", "", "lengths", "total"], ["y"],
        ["num_heads": .int(3), "kv_num_heads": .int(3)])
    default: break
    }
    if !isFlat, form != .cappedOperator {
      m.node("Softmax", [scores], ["p"], ["axis": .int(-1)])
      if form == .weightsTimesSomething {
        m.initializer("of heads", floats: [1, 0.5, 0.25], shape: [1, 3, 1, 1])
        m.node("Mul", ["p", "of heads"], ["weighted"])
      }
      m.node("MatMul", [form == .weightsTimesSomething ? "weighted" : "p", "v"], ["y"])
      if form == .weightsAreAnOutput { m.output("p", 1) }
    }
    m.output("y", 1)
    return m
  }

  /// ‖a − b‖ / ‖b‖ in float64; infinite where the counts differ.
  private static func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    guard a.count == b.count else { return .infinity }
    let difference = zip(a, b).reduce(0.0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
    let norm = b.reduce(0.0) { $0 + Double($1) * Double($1) }
    return norm > 0 ? (difference / norm).squareRoot() : difference.squareRoot()
  }
}
