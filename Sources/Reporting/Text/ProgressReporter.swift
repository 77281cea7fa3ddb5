import Foundation
import Synchronization

/// Progress on stderr: a bar with the time left on a terminal, a plain line now and then elsewhere, nothing when quiet.
/// Safe to call from any thread.
public final class ProgressReporter: Sendable {
  public enum Mode: Sendable { case quiet, lines, bar }

  private struct State {
    var title = ""
    var total = 0
    var done = 0
    var note = ""
    var started = 0.0
    var lastShown = -Double.infinity
    var barIsShown = false
  }

  private let state = Mutex(State())
  private let mode: Mode
  private let terminal: Terminal
  private let clock: @Sendable () -> Double
  private let write: @Sendable (String) -> Void

  /// Seconds between plain lines, and between redraws of the bar.
  static let lineInterval = 10.0
  static let barInterval = 0.1

  /// - Parameters:
  ///   - clock: seconds that only go up.
  ///   - write: where the text goes.
  public init(
    mode: Mode, terminal: Terminal,
    clock: @escaping @Sendable () -> Double = { ProcessInfo.processInfo.systemUptime },
    write: @escaping @Sendable (String) -> Void = { StandardStream.error.write($0) }
  ) {
    self.mode = mode
    self.terminal = terminal
    self.clock = clock
    self.write = write
  }

  /// For this process's stderr.
  public static func standardError(quiet: Bool) -> ProgressReporter {
    let terminal = Terminal.of(2)
    return ProgressReporter(mode: quiet ? .quiet : terminal.isTerminal ? .bar : .lines, terminal: terminal)
  }

  /// Starts a piece of work of `total` parts; an unfinished one before it ends.
  public func begin(_ title: String, total: Int) {
    state.withLock { state in
      clear(&state)
      state = State(title: DisplayWidth.cleaned(title), total: max(1, total), started: clock())
      show(&state, force: true)
    }
  }

  /// - Parameter note: what is being done, such as a figure of the last part.
  public func advance(by parts: Int = 1, note: String = "") {
    state.withLock { state in
      guard state.total > 0 else { return }
      state.done = min(state.total, state.done + max(0, parts))
      state.note = DisplayWidth.cleaned(note)
      show(&state, force: state.done == state.total)
    }
  }

  /// Ends the piece of work. The bar goes; what remains is one line.
  public func finish(note: String = "") {
    state.withLock { state in
      guard state.total > 0 else { return }
      clear(&state)
      if mode != .quiet {
        let time = NumberFormat.duration(clock() - state.started)
        write("\(state.title): \(time)\(note.isEmpty ? "" : ", \(DisplayWidth.cleaned(note))")\n")
      }
      state = State()
    }
  }

  /// A line of its own, above the bar; shown even when quiet if `important`.
  public func message(_ text: String, important: Bool = false) {
    state.withLock { state in
      guard mode != .quiet || important else { return }
      clear(&state)
      write(text + "\n")
      if state.total > 0, mode == .bar { show(&state, force: true) }
    }
  }

  private func clear(_ state: inout State) {
    if state.barIsShown { write("\r\u{1B}[K") }
    state.barIsShown = false
  }

  private func show(_ state: inout State, force: Bool) {
    let now = clock()
    switch mode {
    case .quiet: return
    case .lines:
      // Short work is `finish`'s one line; so is the last line of long work.
      guard state.done < state.total, now - max(state.started, state.lastShown) >= Self.lineInterval else { return }
      state.lastShown = now
      write("\(line(state, now))\n")
    case .bar:
      guard force || now - state.lastShown >= Self.barInterval else { return }
      state.lastShown = now
      state.barIsShown = true
      write(
        "\r" + DisplayWidth.cut(bar(state, now), to: max(10, (terminal.width ?? 80) - 1), middle: false) + "\u{1B}[K")
    }
  }

  /// Time left, from the mean of the parts that are done.
  private func left(_ state: State, _ now: Double) -> String {
    guard state.done > 0, state.done < state.total else { return "" }
    let seconds = (now - state.started) / Double(state.done) * Double(state.total - state.done)
    return ", \(NumberFormat.duration(seconds.rounded())) left"
  }

  private func line(_ state: State, _ now: Double) -> String {
    "\(state.title): \(state.done)/\(state.total)\(left(state, now))\(state.note.isEmpty ? "" : " (\(state.note))")"
  }

  private func bar(_ state: State, _ now: Double) -> String {
    let cells = 24
    let eighths = state.done * cells * 8 / state.total
    let parts = Array(" ▏▎▍▌▋▊▉")
    var bar = String(repeating: "█", count: eighths / 8)
    if eighths < cells * 8 {
      bar.append(parts[eighths % 8])
      bar += String(repeating: " ", count: cells - 1 - eighths / 8)
    }
    let note = state.note.isEmpty ? "" : "  \(state.note)"
    return "\(state.title) ▕\(bar)▏ \(state.done)/\(state.total)\(left(state, now))\(note)"
  }
}
