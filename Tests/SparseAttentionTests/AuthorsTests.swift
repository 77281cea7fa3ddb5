import Foundation
import SparseAttention
import TestSupport
import Testing

/// The authors' mode against another implementation of it, in numpy.
@Suite struct AuthorsTests {
  /// One of `Fixtures/authors.json`.
  struct Case: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let seed, target, context: Int
    let kept: [Int]
    let full: [Bool]
    let listed: [[Int]]
    /// Every 29th row of the output.
    let rows: [[Double]]

    var description: String { name }
    var choice: Authors.Choice { Authors.Choice(kept: kept, full: full, listed: listed) }

    func authors() throws -> Authors {
      var noise = UniformNoise(seed)
      func draw(_ size: Int, _ amplitude: Double) -> [Double] {
        (0..<(target + context) * size).map { _ in noise.sum() * amplitude }
      }
      let (q, k, v) = (draw(8, 2), draw(8, 1), draw(5, 1))
      return try Authors(queries: q, keys: k, values: v, headSize: 8, target: target)
    }

    static let all: [Case] = {
      let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/authors.json")
      return (try? JSONDecoder().decode([Case].self, from: Data(contentsOf: file))) ?? []
    }()
  }

  @Test func thereAreCases() { #expect(Case.all.count == 6) }

  @Test(arguments: Case.all) func choosesTheSame(_ c: Case) throws {
    #expect(try c.authors().choose() == c.choice)
  }

  @Test(arguments: Case.all) func computesTheSame(_ c: Case) throws {
    let output = try c.authors().output(c.choice)
    #expect(output.count == (c.target + c.context) * 5)
    for (i, row) in c.rows.enumerated() {
      for (j, y) in row.enumerated() { #expect(abs(output[i * 29 * 5 + j] - y) < 1e-11) }
    }
  }

  /// Where all lengths are whole, the published policy of the operator is the same arithmetic.
  @Test func isThePaperPolicyOnWholeBlocks() throws {
    let c = try #require(Case.all.first)
    let authors = try c.authors()
    func rows(_ x: [Double], _ size: Int) -> [[Double]] {
      stride(from: 0, to: x.count, by: size).map { Array(x[$0..<$0 + size]) }
    }
    let segments = [Segment(.target, length: c.target), Segment(.context, length: c.context)]
    let oracle = Oracle(
      queries: rows(authors.queries, 8), keys: rows(authors.keys, 8), values: rows(authors.values, 5),
      policy: .paper, querySegments: segments, keySegments: segments, scale: 1 / 8.0.squareRoot())
    let expected = try oracle.output(oracle.select()).joined()
    for (x, y) in zip(try authors.output(authors.choose()), expected) { #expect(abs(x - y) < 1e-11) }
  }

  @Test func refusesWhatDoesNotFit() throws {
    #expect(throws: AttentionError.self) {
      try Authors(queries: [1, 2, 3], keys: [1, 2, 3], values: [1], headSize: 2, target: 1)
    }
    let c = try #require(Case.all.first)
    var choice = c.choice
    choice.kept[0] = 99
    #expect(throws: AttentionError.self) { try c.authors().output(choice) }
  }
}
