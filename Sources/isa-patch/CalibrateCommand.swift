import ArgumentParser
import CalibrationCore
import ISAPatch
import Reporting
import SparseAttention

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Measure on clips what a model tolerates, and write the patched model that keeps what is asked for.",
    discussion: "Writes MODEL.isa.onnx, and beside it MODEL.isa.json (the profile) and MODEL.isa.stats (what was measured).")

  @Argument(help: "The original ONNX model.")
  var model: String

  @Option(name: .long, parsing: .upToNextOption, help: "Clips to calibrate on.")
  var clips: [String]

  @Option(name: .long, help: "A clip to verify on that calibration does not see; repeatable.")
  var holdOut: [String] = []

  @Option(name: .long, help: "Least PSNR in dB against full attention, on the worst case (35).")
  var targetPsnr: Double?

  @Option(name: .long, help: "Greatest relative L2 error against full attention, on the worst case.")
  var maxError: Double?

  @Option(name: .long, help: "Greatest executed density, mean of the cases.")
  var targetDensity: Double?

  @Option(name: .long, help: "Least speed-up of a step over the original.")
  var targetSpeedup: Double?

  @Option(name: .long, help: "Type of the products: float32, float16 or bfloat16; sums are float32.")
  var compute: ComputeType = .float32

  @Option(name: .shortAndLong, help: "The patched model (MODEL.isa.onnx).")
  var output: String?

  @Flag(name: .long, help: "Continue from the statistics of an interrupted run.")
  var resume = false

  @OptionGroup var selection: SelectionOptions
  @OptionGroup var sampling: SamplingArguments
  @OptionGroup var outputOptions: OutputOptions

  private var targets: [Target] {
    [
      targetPsnr.map(Target.psnr), maxError.map(Target.maxError), targetDensity.map(Target.density),
      targetSpeedup.map(Target.speedup),
    ].compactMap { $0 }
  }

  func validate() throws {
    guard targets.count <= 1 else { throw ValidationError("Give one target.") }
    guard targets.allSatisfy({ $0.value.isFinite && $0.value > 0 }) else {
      throw ValidationError("A target has to be a positive number.")
    }
    if clips.isEmpty { throw ValidationError("Give at least one clip with --clips.") }
  }

  func run() throws {
    let job = CalibrateJob(
      model: model, clips: clips, holdOut: holdOut, options: sampling.options, target: targets.first ?? .psnr(35),
      compute: compute, output: output, selection: selection.selection, segments: selection.segments, resume: resume)
    let report = try job.run(progress: .standardError(quiet: outputOptions.quiet))
    Console.result(outputOptions.json ? Self.document(report) : Self.text(report))
    if !report.met, !outputOptions.quiet {
      Console.note(
        "The target (\(job.target.description)) does not hold for any threshold that was measured; the model attends exactly.")
    }
    try Console.finish(report.met ? .success : .unmet)
  }

  private static func cases(_ achieved: Profile.Achieved) -> JSONOutput {
    .array(
      achieved.cases.map { item in
        .object([
          ("clip", .string(item.key.clip)), ("edit", .integer(item.key.edit)),
          ("seed", .integer(Int(clamping: item.key.seed))), ("psnr", .number(item.psnr)), ("error", .number(item.error)),
          ("executed_density", .number(item.executedDensity)), ("step_seconds", .number(item.stepSeconds)),
        ])
      })
  }

  private static func summary(_ achieved: Profile.Achieved) -> JSONOutput {
    .object([
      ("worst_psnr", .number(achieved.worstPSNR)), ("executed_density", .number(achieved.executedDensity)),
      ("step_seconds", .number(achieved.stepSeconds)), ("exact_step_seconds", .number(achieved.exactStepSeconds)),
      ("cases", cases(achieved)),
    ])
  }

  static func document(_ report: CalibrateJob.Report) -> String {
    let profile = report.profile
    return JSONOutput.object([
      ("schema", "isa-patch/calibrate/1"), ("cases", cases(profile.achieved)),
      ("worst_psnr", .number(profile.achieved.worstPSNR)),
      (
        "target",
        .object([
          ("kind", .string(profile.target.kind)), ("value", .number(profile.target.value)), ("met", .bool(profile.target.met)),
        ])
      ),
      ("achieved", summary(profile.achieved)), ("hold_out", profile.holdOut.map(summary) ?? .null),
      ("profile", .string(report.profilePath)), ("model", .string(report.output)), ("report", .null),
      ("statistics", .string(report.statisticsPath)), ("exact_error", .number(report.exactError)),
      ("step_speedup", .number(speedup(report))),
    ]).document
  }

  private static func speedup(_ report: CalibrateJob.Report) -> Double {
    let seconds = report.profile.achieved.stepSeconds
    return seconds > 0 ? report.originalStepSeconds / seconds : 1
  }

  static func text(_ report: CalibrateJob.Report) -> String {
    let profile = report.profile
    var table = TextTable([.text("case"), .number("PSNR"), .number("density"), .number("step")])
    func add(_ achieved: Profile.Achieved) {
      for item in achieved.cases.sorted(by: { $0.psnr < $1.psnr }) {
        table.add([
          .init("\(item.key.clip) · edit \(item.key.edit)"), .init(NumberFormat.decibels(item.psnr)),
          .init(NumberFormat.fixed(item.executedDensity, digits: 3)), .init("\(NumberFormat.fixed(item.stepSeconds)) s"),
        ])
      }
    }
    add(profile.achieved)
    if let holdOut = profile.holdOut {
      table.addRule()
      add(holdOut)
    }
    var dial = TextTable([.text("dial"), .number("threshold"), .number("worst PSNR"), .number("density")])
    for quality in profile.qualities {
      dial.add([
        .init(quality.point == 0 ? "target" : quality.threshold == nil ? "exact" : "point \(quality.point)"),
        .init(NumberFormat.scientific(quality.threshold.map(Double.init))), .init(NumberFormat.decibels(quality.worstPSNR)),
        .init(NumberFormat.fixed(quality.executedDensity, digits: 3)),
      ])
    }
    return """
      \(table.rendered(for: Terminal.of(1)))
      \(dial.rendered(for: Terminal.of(1)))
      \(report.sites) sites, \(report.description). Exact attention agrees with the original to \
      \(NumberFormat.scientific(report.exactError)).
      Wrote \(report.output), \(report.profilePath) and \(report.statisticsPath).

      """
  }
}

extension ComputeType: ExpressibleByArgument {}
