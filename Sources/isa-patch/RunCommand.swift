import ArgumentParser
import ISAPatch
import Reporting
import VideoPipeline

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Edit or make one clip, or run tensors through a model, original or patched.")

  @Argument(help: "The ONNX model.")
  var model: String

  @Option(name: .long, help: ArgumentHelp("The clip, or the picture, to edit.", valueName: "file"))
  var clip: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Arrays for the model's inputs (.npz, .safetensors), instead of a clip.", valueName: "file"))
  var inputs: String?

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The clip (.mp4), the picture (.png, .jpg), or arrays (.npz, .safetensors).", valueName: "file"))
  var output: String

  @Flag(name: .customLong("float32"), help: "Write arrays as float32, whatever floating-point type the model gives.")
  var asFloat32 = false

  @OptionGroup var sampling: SamplingArguments
  @OptionGroup var outputOptions: OutputOptions

  func validate() throws {
    if [clip != nil || !sampling.family.text.isEmpty, inputs != nil].count(where: { $0 }) != 1 {
      throw ValidationError("Give --clip, --text, or --inputs.")
    }
    let isArrays = ArrayFile.endings.contains(where: output.hasSuffix)
    if inputs != nil, !isArrays {
      throw ValidationError("With --inputs, the output has to end in .npz or .safetensors, not as \(output) does.")
    }
    if asFloat32, !isArrays {
      throw ValidationError("--float32 is for arrays; give an output of .npz or .safetensors.")
    }
    if !isArrays, ClipFormat(path: output) == nil {
      throw ValidationError(
        "The output has to end in .mp4 (a clip), .png or .jpg (a picture), .npz or .safetensors (arrays), not as "
          + "\(output) does.")
    }
  }

  func run() throws {
    var job = RunJob(model: model, options: sampling.options, output: output)
    job.asFloat32 = asFloat32
    let progress = ProgressReporter.standardError(quiet: outputOptions.quiet)
    let report =
      if let inputs { try job.run(inputs: inputs) } else { try job.run(clip: clip, progress: progress) }
    if !outputOptions.quiet { report.notes.forEach(Console.note) }
    if outputOptions.json {
      Console.result(
        JSONOutput.object([
          ("schema", "isa-patch/run/1"), ("model", .string(report.model)), ("output", .string(report.output)),
          ("clip", .init(report.clip)), ("edit", .init(report.edit)), ("steps", .integer(report.steps)),
          ("step_seconds", .number(report.stepSeconds)), ("seconds", .number(report.seconds)),
          ("notes", .array(report.notes.map { .string($0) })),
        ]).document)
    } else {
      Console.result(
        "\(report.output): \(report.steps) step\(report.steps == 1 ? "" : "s"), "
          + "\(NumberFormat.fixed(report.stepSeconds)) s each")
    }
  }
}
