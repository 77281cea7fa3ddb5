/// What the tokens of a segment are.
public enum SegmentKind: String, Sendable, CaseIterable {
  /// The video that is decoded.
  case target
  /// The in-context source video.
  case context
  /// A prompt, or any tokens that are never approximated.
  case text
}

/// The raster of a segment's tokens: frames × rows × columns, frames slowest.
public struct Grid: Equatable, Sendable {
  public var frames: Int
  public var rows: Int
  public var columns: Int

  public init(frames: Int, rows: Int, columns: Int) {
    self.frames = frames
    self.rows = rows
    self.columns = columns
  }

  /// Number of tokens, or nil where the product overflows.
  public var count: Int? {
    let (a, o1) = frames.multipliedReportingOverflow(by: rows)
    let (b, o2) = a.multipliedReportingOverflow(by: columns)
    return o1 || o2 ? nil : b
  }
}

/// A run of consecutive tokens of one kind.
public struct Segment: Equatable, Sendable {
  public var kind: SegmentKind
  /// Tokens.
  public var length: Int
  /// The raster that the tokens form, where they form one.
  public var grid: Grid?

  public init(_ kind: SegmentKind, length: Int, grid: Grid? = nil) {
    self.kind = kind
    self.length = length
    self.grid = grid
  }
}
