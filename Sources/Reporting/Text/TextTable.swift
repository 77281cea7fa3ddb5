/// A table of plain text with aligned columns. On a terminal it keeps to the width: the columns that may be cut give
/// way, the widest first.
public struct TextTable: Sendable {
  public struct Column: Sendable {
    public enum Alignment: Sendable { case left, right }

    public var title: String
    public var alignment: Alignment
    /// Whether its cells may be cut, and not below this many columns; nil: never.
    public var leastWidth: Int?

    /// Words: left, may be cut in the middle.
    public static func text(_ title: String, leastWidth: Int? = 8) -> Column {
      Column(title: title, alignment: .left, leastWidth: leastWidth)
    }

    /// Numbers: right, never cut.
    public static func number(_ title: String) -> Column {
      Column(title: title, alignment: .right, leastWidth: nil)
    }
  }

  public struct Cell: Sendable, ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    public var text: String
    public var style: TextStyle

    public init(_ text: String, style: TextStyle = .plain) {
      self.text = text
      self.style = style
    }

    public init(stringLiteral value: String) { self.init(value) }
  }

  public let columns: [Column]
  public private(set) var rows: [[Cell]] = []
  /// Numbers of rows that a rule goes before.
  private var rules: Set<Int> = []

  public init(_ columns: [Column]) { self.columns = columns }

  /// Missing cells are empty, cells beyond the columns are left out.
  public mutating func add(_ cells: [Cell]) {
    let missing = max(0, columns.count - cells.count)
    rows.append(
      (cells + Array(repeating: Cell(""), count: missing)).prefix(columns.count).map {
        Cell(DisplayWidth.cleaned($0.text), style: $0.style)
      })
  }

  /// A line between the rows before and those to come.
  public mutating func addRule() { rules.insert(rows.count) }

  /// The table's lines, each ended by a newline.
  public func rendered(for terminal: Terminal = .plain) -> String {
    let widths = widths(for: terminal.width)
    let titles = columns.map { Cell($0.title, style: .bold) }
    let rule = TextStyle.dim.apply(
      to: widths.map { String(repeating: "─", count: $0) }.joined(separator: "  "), on: terminal)
    var lines = [line(titles, widths, terminal), rule]
    for (index, row) in rows.enumerated() {
      if rules.contains(index), index > 0 { lines.append(rule) }
      lines.append(line(row, widths, terminal))
    }
    return lines.map { $0 + "\n" }.joined()
  }

  private func widths(for available: Int?) -> [Int] {
    var widths = columns.indices.map { index in
      rows.reduce(DisplayWidth.of(columns[index].title)) { max($0, DisplayWidth.of($1[index].text)) }
    }
    guard let available else { return widths }
    var excess = widths.reduce(0, +) + 2 * max(0, widths.count - 1) - available
    while excess > 0 {
      let cuttable = columns.indices.filter { widths[$0] > columns[$0].leastWidth ?? .max }
      guard let widest = cuttable.max(by: { widths[$0] < widths[$1] }) else { break }
      widths[widest] -= 1
      excess -= 1
    }
    return widths
  }

  private func line(_ cells: [Cell], _ widths: [Int], _ terminal: Terminal) -> String {
    var parts: [String] = []
    for (index, cell) in cells.enumerated() {
      let text = DisplayWidth.cut(cell.text, to: widths[index], middle: true)
      let space = String(repeating: " ", count: max(0, widths[index] - DisplayWidth.of(text)))
      let styled = cell.style.apply(to: text, on: terminal)
      switch columns[index].alignment {
      case .right: parts.append(space + styled)
      case .left: parts.append(index == cells.count - 1 ? styled : styled + space)
      }
    }
    let line = parts.joined(separator: "  ")
    return String(line.reversed().drop { $0 == " " }.reversed())
  }
}
