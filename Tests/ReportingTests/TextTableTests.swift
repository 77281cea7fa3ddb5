import Reporting
import Testing

@Suite struct TextTableTests {
  @Test func columnsAreAligned() {
    var table = TextTable([.text("site"), .number("tokens"), .text("reason")])
    table.add(["blocks.0", "4,096", "replaced"])
    table.add(["blocks.1.longer", "12", ""])
    table.addRule()
    table.add(["total"])
    #expect(
      table.rendered() == """
        site             tokens  reason
        ───────────────  ──────  ────────
        blocks.0          4,096  replaced
        blocks.1.longer      12
        ───────────────  ──────  ────────
        total

        """)
  }

  @Test func aTerminalsWidthIsKept() {
    var table = TextTable([.text("site"), .number("n")])
    table.add(["/model/blocks.0/attention/Softmax_output_0", "4096"])
    let lines = table.rendered(for: Terminal(isTerminal: true, width: 24, hasColour: false)).split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 24 })
    #expect(lines[2] == "/model/bl…output_0  4096")
    // Numbers are never cut.
    let narrow = table.rendered(for: Terminal(isTerminal: true, width: 4, hasColour: false))
    #expect(narrow.contains("4096"))
  }

  @Test func wideAndCombiningCharactersKeepTheColumns() {
    var table = TextTable([.text("name"), .number("n")])
    table.add(["日本", "1"])
    table.add(["e\u{301}té", "2"])
    table.add(["abcd", "3"])
    #expect(table.rendered() == "name  n\n────  ─\n日本  1\ne\u{301}té   2\nabcd  3\n")
  }

  /// A model's names cannot move the cursor, break lines or turn the text around.
  @Test func controlCharactersAreShownNotObeyed() {
    var table = TextTable([.text("name")])
    table.add(["a\u{1B}[31m\nb\u{202E}c"])
    let text = table.rendered()
    #expect(text.split(separator: "\n").count == 3)
    #expect(!text.unicodeScalars.contains("\u{1B}"))
    #expect(!text.unicodeScalars.contains("\u{202E}"))
  }

  @Test func coloursOnlyWhereAllowed() {
    var table = TextTable([.text("name"), .text("state")])
    table.add([.init("a", style: .good), .init("b", style: .bad)])
    #expect(!table.rendered().contains("\u{1B}"))
    let coloured = table.rendered(for: Terminal(isTerminal: true, width: 80, hasColour: true))
    #expect(coloured.contains("\u{1B}[32ma\u{1B}[0m"))
    // Cells that are missing or too many do no harm.
    table.add([])
    table.add(["1", "2", "3"])
    #expect(table.rows.allSatisfy { $0.count == 2 })
  }

  @Test func anEmptyTableHasItsTitles() {
    #expect(TextTable([.text("a"), .text("b")]).rendered() == "a  b\n─  ─\n")
    #expect(TextTable([]).rendered() == "\n\n")
  }
}
