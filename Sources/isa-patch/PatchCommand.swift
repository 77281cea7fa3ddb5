import ArgumentParser
import ISAPatch

struct PatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "patch", abstract: "Replace a model's attention, and write the patched model.")

  enum Mode: String, CaseIterable, ExpressibleByArgument {
    case exact, paper
  }

  @Argument(help: "The ONNX model.")
  var model: String

  @Option(name: .shortAndLong, help: ArgumentHelp("The patched model (MODEL.isa.onnx).", valueName: "file"))
  var output: String?

  @Option(name: .long, help: "exact: all sites, every pair of tokens. paper: the published ratios.")
  var mode: Mode?

  @Option(name: .long, help: ArgumentHelp("A profile that calibrate wrote.", valueName: "file"))
  var profile: String?

  @Option(
    name: .long, help: ArgumentHelp("Adapter by name or file, where the model is not recognised.", valueName: "name"))
  var adapter: String?

  @Option(name: .long, help: ArgumentHelp("Weights in files of their own: keep, copy or link.", valueName: "how"))
  var externalData: ExternalDataPolicy = .keep

  @Flag(name: .long, help: "Exit with 1 where a site that was asked for stays.")
  var strict = false

  @Flag(name: .long, help: "Write nothing.")
  var dryRun = false

  @Flag(name: .long, help: "Give each site's statistics as one more output.")
  var statistics = false

  @Flag(name: .long, help: "Let tools without libisa_ops.so read the model too; they attend exactly.")
  var portable = false

  @OptionGroup var selection: SelectionOptions
  @OptionGroup var outputOptions: OutputOptions

  func validate() throws {
    if portable, statistics { throw ValidationError("Give --portable or --statistics, not both.") }
    if mode != nil, profile != nil { throw ValidationError("Give --mode or --profile, not both.") }
  }

  func run() throws {
    let chosen: PatchJob.Mode = profile.map { .profile($0) } ?? (mode == .paper ? .paper : .exact)
    var options = PatchJob.Options(
      model: model, output: output, mode: chosen, selection: selection.selection, segments: selection.segments,
      adapter: adapter, externalData: externalData, strict: strict, dryRun: dryRun, statistics: statistics,
      cost: .measured)
    options.isPortable = portable
    let outcome = try PatchJob(options).run()
    if outputOptions.json {
      Console.result(outcome.report.json)
    } else {
      Console.result(SiteTable.text(outcome.report, verbose: outputOptions.verbose))
      if !outputOptions.quiet {
        for line in outcome.notes + SiteTable.notes(outcome.report) { Console.note(line) }
        Console.note(
          outcome.report.replaced == 0
            ? "No site was replaced."
            : "Replaced \(outcome.report.replaced) of \(outcome.report.sites.count) sites"
              + (outcome.report.output.map { " in \($0)" } ?? " (nothing written)") + ".")
      }
    }
    try Console.finish(outcome.status)
  }
}

extension ExternalDataPolicy: ExpressibleByArgument {}
