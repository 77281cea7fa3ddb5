/// Rows of frames under their labels, such as source, full attention, patched and their difference.
public struct ContactSheet: Sendable {
  public struct Row: Sendable {
    public var label: String
    public var frames: [Picture]

    public init(_ label: String, _ frames: [Picture]) {
      self.label = label
      self.frames = frames
    }
  }

  public var title: String
  /// Labels of the columns.
  public var columns: [String]
  public var rows: [Row]
  /// How often each pixel of a frame is repeated; nil: so that a frame is about 192 pixels wide.
  public var scale: Int?

  public init(title: String, columns: [String], rows: [Row], scale: Int? = nil) {
    self.title = title
    self.columns = columns
    self.rows = rows
    self.scale = scale
  }

  private static let gap = 6
  private static let background: UInt8 = 250
  private static let ink: UInt8 = 30

  /// Frames and labels that do not fit in their cells are cut there.
  public func rendered() -> Picture {
    let frames = rows.flatMap(\.frames)
    let width = frames.map(\.width).max() ?? 1
    let height = frames.map(\.height).max() ?? 1
    let scale = max(1, min(16, self.scale ?? 192 / width))
    let count = max(columns.count, rows.map(\.frames.count).max() ?? 0)
    let (cellWidth, cellHeight) = (width * scale + Self.gap, height * scale + Self.gap)
    let font = cellWidth >= 180 ? 2 : 1
    let lineHeight = BitmapFont.height * font + Self.gap
    let longest = ([title] + rows.map(\.label)).map { $0.count * BitmapFont.advance * font }.max() ?? 0
    var sheet = Picture(
      width: max(count * cellWidth, longest) + Self.gap,
      height: 2 * lineHeight + rows.count * (lineHeight + cellHeight) + Self.gap, grey: Self.background)
    func fitting(_ text: String) -> String { String(text.prefix(cellWidth / (BitmapFont.advance * font))) }

    sheet.draw(title, x: Self.gap, y: Self.gap, scale: font, grey: Self.ink)
    for (index, column) in columns.enumerated() {
      sheet.draw(
        fitting(column), x: Self.gap + index * cellWidth, y: Self.gap + lineHeight, scale: font, grey: Self.ink)
    }
    var y = Self.gap + 2 * lineHeight
    for row in rows {
      sheet.draw(row.label, x: Self.gap, y: y, scale: font, grey: Self.ink)
      y += lineHeight
      for (index, frame) in row.frames.enumerated() {
        sheet.draw(frame, x: Self.gap + index * cellWidth, y: y, scale: scale)
      }
      y += cellHeight
    }
    return sheet
  }

  /// `count` numbers of frames spread over a clip, first and last included.
  public static func chosenFrames(of frames: Int, count: Int) -> [Int] {
    let count = min(frames, count)
    guard count > 1 else { return frames > 0 && count == 1 ? [frames / 2] : [] }
    return (0..<count).map { $0 * (frames - 1) / (count - 1) }
  }
}
