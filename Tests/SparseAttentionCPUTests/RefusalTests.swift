import SparseAttention
import SparseAttentionCPU
import Testing

/// What does not fit is an error that says so, not a crash.
@Suite struct RefusalTests {
  private func problem() -> Problem {
    let p = Problem()
    (p.querySegments, p.keySegments) = ([Segment(.target, length: 10)], [Segment(.target, length: 10)])
    p.policies = [Policy()]
    p.fill(1)
    return p
  }

  @Test func segmentsThatDoNotAddUp() {
    #expect(throws: AttentionError.segmentsDoNotAddUp(side: "key", sum: 9, tokens: 10)) {
      _ = try problem().with {
        var p = $0
        p.keySegments = [Segment(.target, length: 9)]
        try AttentionCPU.run(p, on: SerialRunner())
      }
    }
    #expect(throws: AttentionError.self) {
      _ = try problem().with {
        var p = $0
        p.keySegments = [Segment(.target, length: -5), Segment(.context, length: 15)]
        try AttentionCPU.run(p, on: SerialRunner())
      }
    }
  }

  @Test func gridsThatDoNotHoldTheirSegment() {
    let grid = Grid(frames: 1, rows: 3, columns: 3)
    #expect(throws: AttentionError.gridDoesNotHoldSegment(side: "query", index: 0, grid: grid, length: 10)) {
      _ = try problem().with {
        var p = $0
        p.querySegments = [Segment(.target, length: 10, grid: grid)]
        p.tile = Grid(frames: 2, rows: 2, columns: 2)
        try AttentionCPU.run(p, on: SerialRunner())
      }
    }
  }

  @Test(
    arguments: [
      { $0.headSize = 257 }, { $0.headSize = 0 }, { $0.valueSize = 300 }, { $0.blockQ = 32 }, { $0.blockK = 128 },
      { $0.kvHeads = 0 }, { $0.kvHeads = 3 }, { $0.policies = [] }, { $0.queries = -1 },
      { $0.tile = Grid(frames: 0, rows: 1, columns: 1) },
    ] as [@Sendable (inout AttentionProblem) -> Void])
  func numbersOutOfRange(_ spoil: @Sendable (inout AttentionProblem) -> Void) {
    #expect(throws: AttentionError.self) {
      _ = try problem().with {
        var p = $0
        spoil(&p)
        try AttentionCPU.run(p, on: SerialRunner())
      }
    }
  }

  @Test func theTableEndsInWhatAlwaysRuns() {
    #expect(KernelTable.rows.last?.name == "baseline")
    #expect(KernelTable.rows.last?.isAvailable == true)
    #expect(KernelTable.rows.allSatisfy { $0.isAvailable == ($0.declined == nil) && !$0.needs.isEmpty })
  }

  @Test func namesOfKernels() throws {
    #expect(try KernelTable.row(named: nil) == KernelTable.best)
    #expect(try KernelTable.row(named: "baseline").name == "baseline")
    #expect(throws: AttentionError.self) { try KernelTable.row(named: "abacus") }
    for row in KernelTable.rows where !row.isAvailable {
      #expect(throws: AttentionError.self) { try KernelTable.row(named: row.name) }
    }
  }
}
