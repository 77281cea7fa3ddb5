import SparseAttention
import SparseAttentionCPU
import TestSupport
import Testing

/// The kernels against the operator's executable definition itself.
@Suite struct FixtureTests {
  @Test(arguments: available, OracleCase.all)
  func decidesAndComputesAsDefined(_ kernel: KernelRow, _ c: OracleCase) throws {
    let oracle = c.oracle()
    let p = Problem()
    (p.headSize, p.valueSize, p.blockQ, p.blockK, p.tile) = (8, 5, c.blockQ, c.blockK, oracle.tile)
    p.edges = oracle.edges
    (p.querySegments, p.keySegments) = (oracle.querySegments, oracle.keySegments)
    p.policies = [oracle.policy]
    p.mask = oracle.mask.map { [$0] }
    func float(_ x: [[Double]]) -> [[[[Float]]]] { [[x.map { $0.map(Float.init) }]] }
    p.set(q: float(oracle.queries), k: float(oracle.keys), v: float(oracle.values))
    let selection = try p.select(0, 0, kernel)
    let expected = c.selection()
    #expect(selection.kept == expected.kept)
    #expect(selection.averaged == expected.averaged)
    #expect(selection.full == expected.full)
    #expect(selection.exact == expected.exact)
    let result = try p.run(kernel)
    for (x, y) in zip(result.statistics[0][0], expected.statistics) { #expect(abs(x - y) < 1e-5) }
    let rows = c.rows.indices.map { result.output[0][0][$0 * 29] }
    // Inputs are rounded to float32 first.
    #expect(Problem.error(rows, c.rows) < 4e-6)
  }
}
