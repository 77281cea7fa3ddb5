import ONNXGraph
import SparseAttention

/// Segments that a user or an adapter gives: `target=2048:8x16x16,context=2048:8x16x16` in sequence order, lengths and
/// grids as expressions over the model's dimensions.
public struct GivenSegments: Equatable, Sendable {
  public var segments: [SiteSegment]

  public init(_ segments: [SiteSegment]) { self.segments = segments }

  public struct SyntaxError: Error, Equatable, Sendable {
    public var message: String
  }

  public init(parsing text: String) throws(SyntaxError) {
    var segments: [SiteSegment] = []
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, let kind = SegmentKind(rawValue: sides[0].trimmed) else {
        throw SyntaxError(
          message: "'\(item)' is no segment; write it as target=2048:8x16x16, with target, context or text.")
      }
      let parts = sides[1].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard let length = Self.length(parts[0].trimmed) else {
        throw SyntaxError(message: "'\(parts[0])' is no number of tokens; write the segment as target=2048:8x16x16.")
      }
      var grid: [Dimension]?
      if parts.count == 2 {
        let sizes = parts[1].split(separator: "x", omittingEmptySubsequences: false).map { Self.length($0.trimmed) }
        guard sizes.count == 3, let frames = sizes[0], let rows = sizes[1], let columns = sizes[2] else {
          throw SyntaxError(message: "'\(parts[1])' is no grid; write frames x rows x columns, as in 8x16x16.")
        }
        guard frames * rows * columns == length else {
          throw SyntaxError(message: "The grid \(parts[1]) does not hold \(length) tokens; correct one of them.")
        }
        grid = [frames, rows, columns]
      }
      segments.append(SiteSegment(kind: kind, length: length, grid: grid))
    }
    self.init(segments)
  }

  private static func length(_ text: String) -> Dimension? {
    guard !text.isEmpty else { return nil }
    let length = Dimension(parsing: text)
    // A number that is too large would be taken for a name.
    if let symbol = length.symbol, symbol.first?.isNumber == true { return nil }
    if let value = length.value { return value > 0 ? length : nil }
    return length.isKnown ? length : nil
  }

  public var total: Dimension { segments.reduce(Dimension(0)) { $0 + $1.length } }

  /// True where they add up to a length.
  public func fit(_ length: Dimension?) -> Bool { length.map { $0 == total } ?? false }

  /// These segments as an adapter's: what it knows of a family, where a graph has its own order.
  ///
  /// Where the graph tells no order, or the same, they are taken as they are. Where it has the same kinds in another
  /// order, they are put in that order, and where it has others beside them, its segments without a grid get the grid
  /// of the one of their kind and length.
  /// - Parameters:
  ///   - shown: what the graph has.
  ///   - order: the kinds in the graph, where it does not tell all the lengths.
  /// - Returns: nil where the graph contradicts them, or tells all that they do.
  public func joined(
    to shown: [SiteSegment], order: [SegmentKind], length: Dimension?
  ) -> [SiteSegment]? {
    let kinds = shown.isEmpty ? order : shown.map(\.kind)
    if fit(length), kinds.count <= 1 || kinds == segments.map(\.kind) { return segments }
    if fit(length), kinds.count == segments.count, let ordered = inOrder(kinds) {
      let agree = shown.isEmpty || zip(shown, ordered).allSatisfy { $0.length == $1.length }
      if agree {
        // What the graph has itself goes first.
        return shown.isEmpty ? ordered : zip(shown, ordered).map { $0.grid == nil ? $1 : $0 }
      }
    }
    let result = shown.map { segment in
      segment.grid != nil
        ? segment : segments.first { $0.kind == segment.kind && $0.length == segment.length } ?? segment
    }
    return result == shown ? nil : result
  }

  /// The segments in the order of some kinds, those of one kind as they follow each other; nil for other kinds.
  private func inOrder(_ kinds: [SegmentKind]) -> [SiteSegment]? {
    var rest = segments
    var result: [SiteSegment] = []
    for kind in kinds {
      guard let position = rest.firstIndex(where: { $0.kind == kind }) else { return nil }
      result.append(rest.remove(at: position))
    }
    return rest.isEmpty ? result : nil
  }
}

extension Substring {
  fileprivate var trimmed: String {
    var text = self
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
