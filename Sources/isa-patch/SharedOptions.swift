import ArgumentParser
import ISAPatch

/// How much a command says, and in which form.
struct OutputOptions: ParsableArguments {
  @Flag(name: .long, help: "Print one JSON document instead of tables.")
  var json = false

  @Flag(name: .shortAndLong, help: "No notes and no progress.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Say more: reasons, choices, timings.")
  var verbose = false

  var verbosity: Verbosity { quiet ? .quiet : verbose ? .verbose : .normal }
}

/// What a clip is run with; what is not given comes from the adapter.
struct SamplingArguments: ParsableArguments {
  @Option(name: .long, parsing: .unconditionalSingleValue, help: "Number or name of an edit; repeatable.")
  var edit: [String] = []

  @Option(name: .long, parsing: .unconditional, help: ArgumentHelp("Sampler steps (12).", valueName: "n"))
  var steps: Int?

  @Option(name: .long, parsing: .unconditional, help: ArgumentHelp("Seed of the noise (0).", valueName: "n"))
  var seed: UInt64?

  @Option(name: .long, parsing: .unconditional, help: ArgumentHelp("Frames of the clip (8).", valueName: "n"))
  var frames: Int?

  @Option(name: .long, help: ArgumentHelp("Centre crop of the clip (128x128).", valueName: "widthxheight"))
  var size: FrameSize?

  @Option(
    name: .long, parsing: .unconditional, help: ArgumentHelp("Threads of ONNX Runtime (one a core).", valueName: "n"))
  var threads: Int?

  @Option(name: .long, help: "cpu or cuda.")
  var device: Device = .cpu

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp(
      "A patched model's dial: target, exact, or the PSNR in dB that was measured to be kept.", valueName: "dial"))
  var quality: Quality?

  @Option(
    name: .long, help: ArgumentHelp("Adapter by name or file, where the model is not recognised.", valueName: "name"))
  var adapter: String?

  @OptionGroup var family: FamilyArguments

  var options: SamplingOptions {
    var options = SamplingOptions(
      edits: edit, steps: steps, seed: seed, frames: frames, size: size, threads: threads, device: device,
      quality: quality, adapter: adapter)
    options.texts = family.text
    options.negativeText = family.negativeText
    options.guidanceScale = family.guidance
    options.companions = family.companions
    return options
  }

  func validate() throws {
    for (name, value) in [("--steps", steps), ("--frames", frames), ("--threads", threads)] {
      if let value, value < 1 { throw ValidationError("\(name) must be at least 1.") }
    }
    if let steps, steps > 10_000 { throw ValidationError("--steps must be at most 10000.") }
  }
}

extension FrameSize: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

extension Device: ExpressibleByArgument {}

extension Quality: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
