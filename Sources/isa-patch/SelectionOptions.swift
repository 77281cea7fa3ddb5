import ArgumentParser
import AttentionPatterns

/// Which sites a command is about, and what is known of their sequences.
struct SelectionOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only sites whose name matches; repeatable. Overrides policy, never correctness.", valueName: "glob"))
  var only: [String] = []

  @Option(name: .long, help: ArgumentHelp("No site whose name matches; repeatable.", valueName: "glob"))
  var except: [String] = []

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp("Leave sites of shorter sequences as they are.", valueName: "n"))
  var minTokens = 1024

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Segments in sequence order, as in target=2048:8x16x16,context=2048:8x16x16 (tokens, frames x rows x columns).",
      valueName: "segments"))
  var segments: String?

  var selection: SiteSelection { SiteSelection(only: only, except: except, minTokens: minTokens) }
}
