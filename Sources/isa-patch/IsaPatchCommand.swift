import ArgumentParser
import ISAPatch

/// `isa-patch`: parse, call a job, print.
@main
struct IsaPatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "isa-patch",
    abstract: "Sparse attention for the video model you already have.",
    discussion: """
      Finds the attention in a model's ONNX graph, replaces it by In-context Sparse Attention, measures on sample clips \
      how much each site tolerates, and runs the patched model. Results go to stdout, notes and progress to stderr.
      """,
    version: Version.current,
    subcommands: [
      PatchCommand.self, InspectCommand.self, CalibrateCommand.self, RunCommand.self, CompareCommand.self,
      RestoreCommand.self, BenchCommand.self, DoctorCommand.self,
    ],
    defaultSubcommand: PatchCommand.self)

  static func main() {
    Interruption.install()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as ToolError {
      Console.fail(error)
    } catch let status as ExitCode {
      exit(withError: status)
    } catch {
      switch exitCode(for: error) {
      case .validationFailure: Console.fail(usage(error))
      case .success: exit(withError: error)  // --help, --version and completions
      default: Console.fail(ToolError(error, model: "The command"))
      }
    }
  }

  /// ArgumentParser's message in one line, with the command whose help says more.
  private static func usage(_ error: any Error) -> ToolError {
    let text =
      message(for: error).split(whereSeparator: \.isNewline).first.map(String.init) ?? "The command is not complete"
    let help = fullMessage(for: error).split(separator: "'").first { $0.hasSuffix(" --help") } ?? "isa-patch --help"
    return ToolError("\(text.hasSuffix(".") ? String(text.dropLast()) : text); see '\(help)'.", .usage)
  }
}
