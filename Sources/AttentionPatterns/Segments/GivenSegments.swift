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
}

extension Substring {
  fileprivate var trimmed: String {
    var text = self
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
