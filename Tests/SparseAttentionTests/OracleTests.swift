import SparseAttention
import TestSupport
import Testing

/// The oracle against the operator's executable definition.
@Suite struct OracleTests {
  @Test func thereAreCases() { #expect(OracleCase.all.count == 91) }

  @Test(arguments: OracleCase.all) func decidesAsDefined(_ c: OracleCase) throws {
    let found = try c.oracle().select()
    let expected = c.selection()
    #expect(found.kept == expected.kept)
    #expect(found.averaged == expected.averaged)
    #expect(found.full == expected.full)
    #expect(found.exact == expected.exact)
    for (x, y) in zip(found.statistics, expected.statistics) { #expect(abs(x - y) < 1e-6) }
  }

  @Test(arguments: OracleCase.all) func computesAsDefined(_ c: OracleCase) throws {
    let output = try c.oracle().output(c.selection())
    for (i, row) in c.rows.enumerated() {
      for (x, y) in zip(output[i * 29], row) { #expect(abs(x - y) < 1e-11) }
    }
  }

  @Test func aShareIsACountRoundedDown() {
    #expect(Oracle.count(0.125, of: 64) == 8)
    #expect(Oracle.count(0.1, of: 10) == 1)
    #expect(Oracle.count(0.3, of: 10) == 3)
    #expect(Oracle.count(0.33, of: 3) == 1)
    #expect(Oracle.count(0, of: 5) == 1)
    #expect(Oracle.count(0, of: 5, least: 0) == 0)
    #expect(Oracle.count(2, of: 5) == 5)
    #expect(Oracle.count(.nan, of: 5) == 1)
    #expect(Oracle.count(1, of: 0) == 0)
  }
}
