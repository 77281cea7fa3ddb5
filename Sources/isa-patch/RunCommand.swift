import ArgumentParser
import ISAPatch
import Reporting

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Edit or make one clip, or run tensors through a model, original or patched.")

  @Argument(help: "The ONNX model.")
  var model: String

  @Option(name: .long, help: ArgumentHelp("The clip to edit.", valueName: "file"))
  var clip: String?

  @Option(
    name: .long, help: ArgumentHelp("Arrays for the model's inputs (.npz), instead of a clip.", valueName: "file"))
  var inputs: String?

  @Option(name: .shortAndLong, help: ArgumentHelp("The clip (.mp4), or arrays (.npz).", valueName: "file"))
  var output: String

  @OptionGroup var sampling: SamplingArguments
  @OptionGroup var outputOptions: OutputOptions

  func validate() throws {
    if [clip != nil || !sampling.family.text.isEmpty, inputs != nil].count(where: { $0 }) != 1 {
      throw ValidationError("Give --clip, --text, or --inputs.")
    }
    if inputs != nil, !output.hasSuffix(".npz") { throw ValidationError("With --inputs, the output has to be .npz.") }
    if ![".mp4", ".npz"].contains(where: output.hasSuffix) {
      throw ValidationError("The output has to end in .mp4 (a clip) or .npz (arrays), not as \(output) does.")
    }
  }

  func run() throws {
    let job = RunJob(model: model, options: sampling.options, output: output)
    let progress = ProgressReporter.standardError(quiet: outputOptions.quiet)
    let report =
      if let inputs { try job.run(inputs: inputs) } else { try job.run(clip: clip, progress: progress) }
    if outputOptions.json {
      Console.result(
        JSONOutput.object([
          ("schema", "isa-patch/run/1"), ("model", .string(report.model)), ("output", .string(report.output)),
          ("clip", .init(report.clip)), ("edit", .init(report.edit)), ("steps", .integer(report.steps)),
          ("step_seconds", .number(report.stepSeconds)), ("seconds", .number(report.seconds)),
        ]).document)
    } else {
      Console.result(
        "\(report.output): \(report.steps) step\(report.steps == 1 ? "" : "s"), "
          + "\(NumberFormat.fixed(report.stepSeconds)) s each")
    }
  }
}
