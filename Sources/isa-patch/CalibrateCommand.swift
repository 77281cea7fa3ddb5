import ArgumentParser
import CalibrationCore
import ISAPatch
import Reporting
import SparseAttention

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Measure on clips what a model tolerates, and write the patched model that keeps what is asked for.",
    discussion:
      "Writes MODEL.isa.onnx, and beside it MODEL.isa.json (the profile) and MODEL.isa.stats (what was measured).",
    subcommands: [WholeCalibration.self, CollectCommand.self, SolveCommand.self],
    defaultSubcommand: WholeCalibration.self)
}

/// What calibration is to keep or to reach; one of them.
struct TargetOptions: ParsableArguments {
  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp("Least PSNR in dB against full attention, on the worst case (35).", valueName: "dB")
  )
  var targetPsnr: Double?

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp("Greatest relative L2 error against full attention, on the worst case.", valueName: "error"))
  var maxError: Double?

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp("Greatest executed density, mean of the cases.", valueName: "share"))
  var targetDensity: Double?

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp("Least speed-up of a step over the original.", valueName: "factor"))
  var targetSpeedup: Double?

  private var given: [(option: String, target: Target)] {
    [
      targetPsnr.map { ("--target-psnr", .psnr($0)) }, maxError.map { ("--max-error", .maxError($0)) },
      targetDensity.map { ("--target-density", .density($0)) },
      targetSpeedup.map { ("--target-speedup", .speedup($0)) },
    ].compactMap { $0 }
  }

  /// What the command line asks for, else the recipe, else 35 dB.
  func target(_ recipe: Recipe) -> Target { given.first?.target ?? recipe.target ?? .psnr(35) }

  func validate() throws {
    guard given.count <= 1 else { throw ValidationError("Give one target.") }
    for (option, target) in given {
      if let problem = target.problem { throw ValidationError("\(option) \(target.text) \(problem).") }
    }
  }
}

/// What `calibrate` and `collect` measure with.
struct MeasuringOptions: ParsableArguments {
  @Option(name: .long, parsing: .upToNextOption, help: ArgumentHelp("Clips to calibrate on.", valueName: "file"))
  var clips: [String] = []

  @Option(
    name: .long,
    help: ArgumentHelp("Type of the products: float32, float16 or bfloat16; sums are float32.", valueName: "type"))
  var compute: ComputeType?

  @Option(
    name: .long,
    help: ArgumentHelp("A recipe (Calibration/*.yaml) for what the command line leaves open.", valueName: "file"))
  var recipe: String?

  @Flag(name: .long, help: "Continue from the statistics of an interrupted run.")
  var resume = false
}

/// `calibrate` without a subcommand: collect, search, verify, write.
struct WholeCalibration: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "whole",
    abstract: "All of it, as calibrate does without a subcommand; 'calibrate whole --help' lists its options.")

  @Argument(help: "The original ONNX model.")
  var model: String

  @Option(
    name: .long, help: ArgumentHelp("A clip to verify on that calibration does not see; repeatable.", valueName: "file")
  )
  var holdOut: [String] = []

  @Option(name: .shortAndLong, help: ArgumentHelp("The patched model (MODEL.isa.onnx).", valueName: "file"))
  var output: String?

  @OptionGroup var measuring: MeasuringOptions
  @OptionGroup var targets: TargetOptions
  @OptionGroup var selection: SelectionOptions
  @OptionGroup var sampling: SamplingArguments
  @OptionGroup var outputOptions: OutputOptions

  func run() throws {
    let recipe = try measuring.recipe.map(Recipe.read) ?? Recipe()
    var job = CalibrateJob(
      model: model, clips: measuring.clips, holdOut: holdOut, options: recipe.completing(sampling.options),
      target: targets.target(recipe),
      compute: measuring.compute ?? recipe.compute ?? .float32, output: output, selection: selection.selection,
      segments: selection.segments,
      resume: measuring.resume)
    job.recipePath = measuring.recipe
    try CalibrationText.show(
      job.run(progress: .standardError(quiet: outputOptions.quiet)), target: job.target, outputOptions)
  }
}

struct CollectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "collect",
    abstract: "Only measure: statistics of some clips, to be merged with those of other clips and machines by solve.")

  @Argument(help: "The original ONNX model.")
  var model: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The patched model that solve will write; the statistics stand beside it (MODEL.isa.stats).", valueName: "file"))
  var output: String?

  @OptionGroup var measuring: MeasuringOptions
  @OptionGroup var targets: TargetOptions
  @OptionGroup var selection: SelectionOptions
  @OptionGroup var sampling: SamplingArguments
  @OptionGroup var outputOptions: OutputOptions

  func run() throws {
    let recipe = try measuring.recipe.map(Recipe.read) ?? Recipe()
    var job = CalibrateJob(
      model: model, clips: measuring.clips, options: recipe.completing(sampling.options),
      target: targets.target(recipe),
      compute: measuring.compute ?? recipe.compute ?? .float32, output: output, selection: selection.selection,
      segments: selection.segments,
      resume: measuring.resume)
    job.recipePath = measuring.recipe
    let statistics = try job.collect(progress: .standardError(quiet: outputOptions.quiet))
    if outputOptions.json {
      Console.result(
        JSONOutput.object([
          ("schema", "isa-patch/collect/1"), ("statistics", .string(job.statisticsPath)),
          ("measured", .integer(statistics.measured.count)),
        ]).document)
    } else {
      Console.result("\(job.statisticsPath): \(statistics.measured.count) thresholds measured")
    }
  }
}

struct SolveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "solve", abstract: "Only choose: from statistics that collect wrote, without running the model.")

  @Argument(help: "The original ONNX model.")
  var model: String

  @Argument(help: "Statistics of one or more runs of collect.")
  var statistics: [String]

  @Option(name: .shortAndLong, help: ArgumentHelp("The patched model (MODEL.isa.onnx).", valueName: "file"))
  var output: String?

  @OptionGroup var targets: TargetOptions
  @OptionGroup var selection: SelectionOptions
  @OptionGroup var outputOptions: OutputOptions

  func run() throws {
    let job = CalibrateJob(
      model: model, clips: [], options: SamplingOptions(), target: targets.target(Recipe()), output: output,
      selection: selection.selection, segments: selection.segments)
    try CalibrationText.show(job.solve(statistics), target: job.target, outputOptions)
  }
}

extension ComputeType: ExpressibleByArgument {}
