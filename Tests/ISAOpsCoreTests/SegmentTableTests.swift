import ISAOpsCore
import SparseAttention
import Testing

@Suite struct SegmentTableTests {
  private func resolve(
    _ query: SegmentTable, _ key: SegmentTable, queries: Int = 100, keys: Int = 100
  ) throws -> (query: [Segment], key: [Segment]) {
    try SegmentTable.resolve(query: query, key: key, queries: queries, keys: keys)
  }

  private func message(_ query: SegmentTable, _ key: SegmentTable = SegmentTable(), keys: Int = 100) -> String {
    do {
      _ = try resolve(query, key, keys: keys)
      return ""
    } catch { return (error as? OperatorFailure)?.text ?? "" }
  }

  @Test func bothAbsentAreOneTargetEach() throws {
    let s = try resolve(SegmentTable(), SegmentTable(), keys: 7)
    #expect(s.query == [Segment(.target, length: 100)])
    #expect(s.key == [Segment(.target, length: 7)])
  }

  @Test func oneAbsentIsAsTheOther() throws {
    let table = SegmentTable(rows: [[60, 3, 4, 5], [-1, 0, 0, 0]], kinds: [.target, .context])
    let expected = [
      Segment(.target, length: 60, grid: Grid(frames: 3, rows: 4, columns: 5)), Segment(.context, length: 40),
    ]
    #expect(try resolve(table, SegmentTable()).key == expected)
    #expect(try resolve(SegmentTable(), table).query == expected)
    // Its own kinds stand.
    #expect(try resolve(table, SegmentTable(kinds: [.context, .text])).key.map(\.kind) == [.context, .text])
    #expect(message(table, keys: 99).contains("key_segments is absent"))
  }

  @Test func theRestMayBeNothing() throws {
    let table = SegmentTable(rows: [[100, 0, 0, 0], [-1, 0, 0, 0]])
    #expect(try resolve(table, table).query.map(\.length) == [100, 0])
  }

  @Test func refusesWhatDoesNotAddUp() {
    #expect(message(SegmentTable(rows: [[60, 0, 0, 0]])).contains("60 tokens"))
    #expect(message(SegmentTable(rows: [[160, 0, 0, 0], [-1, 0, 0, 0]])).contains("160 tokens"))
    #expect(message(SegmentTable(rows: [[-1, 0, 0, 0], [-1, 0, 0, 0]])).contains("only one"))
    #expect(message(SegmentTable(rows: [[-2, 0, 0, 0], [102, 0, 0, 0]])).contains("-2"))
    #expect(message(SegmentTable(rows: [[Int.max, 0, 0, 0], [Int.max, 0, 0, 0]])).contains("length"))
    #expect(message(SegmentTable(rows: [[100, 4, 5, 6]])).contains("4x5x6"))
    #expect(message(SegmentTable(rows: [[100, Int.max, Int.max, 1]])).contains("does not hold"))
    #expect(message(SegmentTable(rows: [[100, -10, -10, 1]])).contains("does not hold"))
    #expect(message(SegmentTable(rows: [[100, 0, 0, 0]], kinds: [.target, .text])).contains("2 kinds for 1"))
  }
}
