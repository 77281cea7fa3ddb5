import ArgumentParser
import ISAPatch

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Every attention of a model: what it is, and whether it can be replaced or why not.")

  @Argument(help: "The ONNX model, original or patched.")
  var model: String

  @Option(
    name: .long, help: ArgumentHelp("Adapter by name or file, where the model is not recognised.", valueName: "name"))
  var adapter: String?

  @OptionGroup var selection: SelectionOptions
  @OptionGroup var output: OutputOptions

  func run() throws {
    let report = try InspectJob(
      model: model, selection: selection.selection, segments: selection.segments, adapter: adapter
    ).run()
    if output.json {
      Console.result(report.json)
    } else {
      Console.result(SiteTable.text(report, verbose: output.verbose))
      if !output.quiet { SiteTable.notes(report).forEach(Console.note) }
    }
  }
}
