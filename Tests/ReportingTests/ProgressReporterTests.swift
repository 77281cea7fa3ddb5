import Reporting
import Synchronization
import Testing

/// With a clock and a screen of the test's own.
@Suite struct ProgressReporterTests {
  final class Screen: Sendable {
    let text = Mutex("")
    let time = Mutex(0.0)

    func reporter(_ mode: ProgressReporter.Mode, width: Int = 80) -> ProgressReporter {
      ProgressReporter(
        mode: mode, terminal: Terminal(isTerminal: mode == .bar, width: width, hasColour: false),
        clock: { self.time.withLock { $0 } }, write: { text in self.text.withLock { $0 += text } })
    }

    func wait(_ seconds: Double) { time.withLock { $0 += seconds } }
    var shown: String { text.withLock { $0 } }
  }

  @Test func plainLinesComeNowAndThen() {
    let screen = Screen()
    let reporter = screen.reporter(.lines)
    reporter.begin("sampling", total: 12)
    for _ in 0..<12 {
      screen.wait(6)
      reporter.advance(note: "42 dB")
    }
    reporter.finish(note: "done")
    #expect(
      screen.shown == """
        sampling: 2/12, 1 min 00 s left (42 dB)
        sampling: 4/12, 48.0 s left (42 dB)
        sampling: 6/12, 36.0 s left (42 dB)
        sampling: 8/12, 24.0 s left (42 dB)
        sampling: 10/12, 12.0 s left (42 dB)
        sampling: 1 min 12 s, done

        """)
  }

  @Test func theBarGoesAndLeavesOneLine() {
    let screen = Screen()
    let reporter = screen.reporter(.bar)
    reporter.begin("sampling", total: 4)
    screen.wait(10)
    reporter.advance()
    #expect(screen.shown.contains("\r" + "sampling ▕██████                  ▏ 1/4, 30.0 s left"))
    reporter.message("a note")
    #expect(screen.shown.contains("\r\u{1B}[Ka note\n\r"))
    reporter.finish()
    #expect(screen.shown.hasSuffix("\r\u{1B}[Ksampling: 10.0 s\n"))
  }

  @Test func theBarKeepsToTheWidth() {
    let screen = Screen()
    let reporter = screen.reporter(.bar, width: 30)
    reporter.begin("a long title of some work", total: 2)
    screen.wait(1)
    reporter.advance(note: "a long note\nof two lines")
    for line in screen.shown.split(separator: "\r") { #expect(line.replacing("\u{1B}[K", with: "").count < 30) }
    #expect(!screen.shown.contains("\n"))
  }

  @Test func quietIsQuietButForWhatMatters() {
    let screen = Screen()
    let reporter = screen.reporter(.quiet)
    reporter.begin("x", total: 1)
    reporter.advance()
    reporter.message("note")
    reporter.finish()
    #expect(screen.shown.isEmpty)
    reporter.message("warning", important: true)
    #expect(screen.shown == "warning\n")
  }

  @Test func misuseDoesNoHarm() {
    let screen = Screen()
    let reporter = screen.reporter(.bar)
    reporter.advance()
    reporter.finish()
    #expect(screen.shown.isEmpty)
    reporter.begin("x", total: 0)
    reporter.advance(by: 5)
    reporter.advance(by: -5)
    reporter.finish()
    #expect(screen.shown.contains("1/1"))
  }
}
