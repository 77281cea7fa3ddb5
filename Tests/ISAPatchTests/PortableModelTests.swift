import AttentionPatterns
import ISAPatch
import ONNXGraph
import OnnxRuntime
import SparseAttention
import TestSupport
import Testing

/// Models that hold the operator as a function too. What other tools make of them is in `Tests/CommandLine/portable.py`.
@Suite struct PortableModelTests {
  private func patched(
    _ bytes: [UInt8], _ policy: Policy = .exact, isPortable: Bool = true
  ) throws -> [UInt8] {
    let patcher = try Patcher(try Model.load(bytes: bytes, path: "m.onnx"))
    var plan = PatchPlan(
      policies: Dictionary(
        patcher.sites.map { ($0.name, SitePolicy.uniform(policy, heads: $0.heads ?? 1)) },
        uniquingKeysWith: { first, _ in first }))
    plan.isPortable = isPortable
    return try patcher.patched(plan)
  }

  private func run(_ bytes: [UInt8], tokens: Int, withLibrary: Bool) throws -> [Float] {
    let session = try Session(
      try Library.load(), model: .bytes(bytes),
      options: .init(threads: 1, opLibraries: withLibrary ? [PatchExactTests.operators] : []))
    let x = AttentionModel.noise(tokens * 16, seed: 5).map { $0 * 4 }
    return try session.run(["x": try Tensor(x, shape: [1, tokens, 16])])["y"]?.floats ?? []
  }

  private func distance(_ a: [Float], _ b: [Float]) -> Double {
    guard a.count == b.count, !a.isEmpty else { return .infinity }
    let difference = zip(a, b).reduce(0.0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
    return (difference / b.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
  }

  /// The library's kernel is taken where it is registered, since its policy shows; the body attends exactly.
  @Test func theLibraryIsPreferred() throws {
    let tokens = 512
    let original = AttentionModel().with(\.tokens, tokens).model.bytes
    let portable = try patched(original, .paper)
    let exact = try run(original, tokens: tokens, withLibrary: false)
    let plain = try run(try patched(original, .paper, isPortable: false), tokens: tokens, withLibrary: true)
    #expect(distance(try run(portable, tokens: tokens, withLibrary: false), exact) < 2e-6)
    #expect(try run(portable, tokens: tokens, withLibrary: true) == plain)
    #expect(distance(plain, exact) > 1e-4)
  }

  @Test func olderModelsAreRefused() throws {
    let old = AttentionModel().with(\.opset, 13).model.bytes
    let error = failure { _ = try patched(old) }
    #expect(error?.status == .dataError)
    #expect(error?.message.contains("opset 13") == true)
  }

  /// One function cannot stand for sites with masks and sites without.
  @Test func sitesThatDifferAreRefused() throws {
    var m = TinyModel()
    m.input("x", 1, [1, 2, 6, 4])
    m.input("bias", 1, [1, 1, 6, 6])
    m.node("Transpose", ["x"], ["t"], ["perm": .ints([0, 1, 3, 2])])
    for i in 0..<2 {
      m.node("MatMul", ["x", "t"], ["s\(i)"])
      if i == 1 { m.node("Add", ["s1", "bias"], ["b1"]) }
      m.node("Softmax", [i == 0 ? "s0" : "b1"], ["p\(i)"], ["axis": .int(-1)])
      m.node("MatMul", ["p\(i)", "x"], ["y\(i)"])
      m.output("y\(i)", 1)
    }
    #expect(failure { _ = try patched(m.bytes) }?.message.contains("differ in masks") == true)
  }
}
