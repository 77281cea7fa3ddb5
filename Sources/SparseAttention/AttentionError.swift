/// Why an attention cannot be computed as asked. Each is one sentence: what, and what to do.
public enum AttentionError: Error, Equatable, Sendable {
  case segmentsDoNotAddUp(side: String, sum: Int, tokens: Int)
  case gridDoesNotHoldSegment(side: String, index: Int, grid: Grid, length: Int)
  case invalidSegment(side: String, index: Int, reason: String)
  case biasWithSparsePolicy(head: Int)
  case unsupported(String)

  public var message: String {
    switch self {
    case .segmentsDoNotAddUp(let side, let sum, let tokens):
      "The \(side) segments hold \(sum) tokens but the sequence has \(tokens); give lengths that add up."
    case .gridDoesNotHoldSegment(let side, let index, let grid, let length):
      "Grid \(grid.frames)x\(grid.rows)x\(grid.columns) of \(side) segment \(index) does not hold its \(length) tokens; "
        + "give frames, rows and columns whose product is the length."
    case .invalidSegment(let side, let index, let reason):
      "The \(side) segment \(index) is invalid: \(reason)."
    case .biasWithSparsePolicy(let head):
      "Head \(head) has a sparse policy and an additive bias; only exact policies can take a bias."
    case .unsupported(let what): what
    }
  }
}
