import SparseAttention

/// One side's segments as the node gives them: an input's rows and an attribute's kinds.
package struct SegmentTable: Equatable {
  /// [n][4]: length, frames, rows, columns; nil where the input is absent.
  package var rows: [[Int]]?
  /// Nil where the attribute is absent.
  package var kinds: [SegmentKind]?

  package init(rows: [[Int]]? = nil, kinds: [SegmentKind]? = nil) {
    self.rows = rows
    self.kinds = kinds
  }

  /// The segments of both sides. Absent: one target segment; one side absent: as the other, if the lengths agree.
  package static func resolve(
    query: SegmentTable, key: SegmentTable, queries: Int, keys: Int
  ) throws(OperatorFailure) -> (query: [Segment], key: [Segment]) {
    var query = query
    var key = key
    if query.rows == nil, key.rows != nil {
      try query.adopt(key, side: "query", agree: queries == keys)
    } else if key.rows == nil, query.rows != nil {
      try key.adopt(query, side: "key", agree: queries == keys)
    }
    return (
      try query.segments(side: "query", tokens: queries), try key.segments(side: "key", tokens: keys)
    )
  }

  private mutating func adopt(_ other: SegmentTable, side: String, agree: Bool) throws(OperatorFailure) {
    guard agree else {
      throw OperatorFailure("\(side)_segments is absent and queries and keys differ in number; give it")
    }
    rows = other.rows
    kinds = kinds ?? other.kinds
  }

  private func segments(side: String, tokens: Int) throws(OperatorFailure) -> [Segment] {
    let rows = rows ?? [[tokens, 0, 0, 0]]
    let kinds = kinds ?? Array(repeating: .target, count: rows.count)
    guard kinds.count == rows.count else {
      throw OperatorFailure("\(side)_segment_kinds has \(kinds.count) kinds for \(rows.count) segments")
    }
    var out: [Segment] = []
    var rest: Int?
    var sum = 0
    for (i, (row, kind)) in zip(rows, kinds).enumerated() {
      var segment = Segment(kind, length: row[0])
      if row[1...].contains(where: { $0 != 0 }) {
        let grid = Grid(frames: row[1], rows: row[2], columns: row[3])
        guard row[1...].allSatisfy({ $0 > 0 }), grid.count == row[0] else {
          throw OperatorFailure(
            AttentionError.gridDoesNotHoldSegment(side: side, index: i, grid: grid, length: row[0]).message)
        }
        segment.grid = grid
      }
      if row[0] == -1 {
        guard rest == nil else { throw invalid(side, i, "only one may be the rest, of length -1") }
        rest = i
        segment.length = 0
      } else if row[0] < 0 {
        throw invalid(side, i, "its length is \(row[0])")
      }
      let (total, overflow) = sum.addingReportingOverflow(segment.length)
      guard !overflow else { throw invalid(side, i, "its length is \(row[0])") }
      sum = total
      out.append(segment)
    }
    if let rest, sum <= tokens {
      out[rest].length = tokens - sum
      sum = tokens
    }
    guard sum == tokens else {
      throw OperatorFailure(AttentionError.segmentsDoNotAddUp(side: side, sum: sum, tokens: tokens).message)
    }
    return out
  }

  private func invalid(_ side: String, _ index: Int, _ reason: String) -> OperatorFailure {
    OperatorFailure(AttentionError.invalidSegment(side: side, index: index, reason: reason).message)
  }
}

extension SegmentTable {
  /// Reads the input's rows.
  init(_ tensor: TensorArgument?, kinds: [SegmentKind]?, side: String) throws(OperatorFailure) {
    self.kinds = kinds
    guard let tensor else { return }
    guard tensor.shape.count == 2, tensor.shape[1] == 4 else {
      throw OperatorFailure("\(side)_segments has the shape \(tensor.shape), not [n, 4]")
    }
    let values = UnsafeBufferPointer(start: tensor.memory.assumingMemoryBound(to: Int64.self), count: tensor.count)
    rows = (0..<tensor.shape[0]).map { i in (0..<4).map { Int(values[4 * i + $0]) } }
  }
}
