import ArgumentParser
import ISAPatch
import Reporting

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Two models on clips: how near their results are, and how fast they are.")

  @Argument(help: "The original model.")
  var original: String

  @Argument(help: "The patched model.")
  var patched: String

  @Option(name: .long, parsing: .upToNextOption, help: ArgumentHelp("Clips; a family that works from text alone takes none.", valueName: "file"))
  var clips: [String] = []

  @Option(name: .long, help: ArgumentHelp("A PNG with frames of the worst case.", valueName: "file.png"))
  var sheet: String?

  @Flag(name: .long, help: "Find the sites that cost most, by making each exact in turn.")
  var bisect = false

  @OptionGroup var sampling: SamplingArguments
  @OptionGroup var output: OutputOptions

  func run() throws {
    let job = CompareJob(
      original: original, patched: patched, clips: clips, options: sampling.options, contactSheet: sheet,
      bisects: bisect)
    let report = try job.run(progress: .standardError(quiet: output.quiet))
    Console.result(output.json ? Self.document(report) : Self.text(report))
  }

  static func document(_ report: CompareJob.Report) -> String {
    JSONOutput.object([
      ("schema", "isa-patch/compare/1"), ("original", .string(report.original)), ("patched", .string(report.patched)),
      (
        "cases",
        .array(
          report.cases.map { item in
            .object([
              ("clip", .string(item.key.clip)), ("edit", .integer(item.key.edit)),
              ("seed", .integer(Int(clamping: item.key.seed))),
              ("psnr", .number(min(item.psnr, 200))), ("ssim", .number(item.ssim)),
              ("worst_frame", .integer(item.worstFrame)), ("worst_frame_psnr", .number(min(item.worstFramePSNR, 200))),
              ("executed_density", .init(item.executedDensity)),
              ("original_step_seconds", .number(item.originalStepSeconds)),
              ("patched_step_seconds", .number(item.patchedStepSeconds)),
            ])
          })
      ),
      ("worst_psnr", .number(min(report.worst?.psnr ?? 0, 200))), ("step_error", .number(report.stepError)),
      ("noise_floor_psnr", .number(min(report.noiseFloorPSNR, 200))), ("step_speedup", .number(report.stepSpeedup)),
      (
        "bisection",
        .array(
          report.bisection.map { cost in
            .object([
              ("site", .string(cost.site)), ("psnr_without", .number(cost.psnrWithout)), ("gain", .number(cost.gain)),
            ])
          })
      ),
    ]).document
  }

  static func text(_ report: CompareJob.Report) -> String {
    var table = TextTable([
      .text("case"), .number("PSNR"), .number("SSIM"), .number("worst frame"), .number("density"),
      .number("original step"), .number("patched step"), .number("speed-up"),
    ])
    for item in report.cases {
      table.add([
        .init(item.label), .init(NumberFormat.decibels(min(item.psnr, 200))),
        .init(NumberFormat.fixed(item.ssim, digits: 4)),
        .init("\(item.worstFrame): \(NumberFormat.decibels(min(item.worstFramePSNR, 200)))"),
        .init(NumberFormat.fixed(item.executedDensity, digits: 3)),
        .init("\(NumberFormat.fixed(item.originalStepSeconds)) s"),
        .init("\(NumberFormat.fixed(item.patchedStepSeconds)) s"),
        .init(
          NumberFormat.factor(item.patchedStepSeconds > 0 ? item.originalStepSeconds / item.patchedStepSeconds : nil)),
      ])
    }
    var text = table.rendered(for: Terminal.of(1))
    text += """

      \(report.description). Worst \(NumberFormat.decibels(min(report.worst?.psnr ?? 0, 200))); a step is \
      \(NumberFormat.factor(report.stepSpeedup)) as fast, measured in turn.
      First step's output: relative error \(NumberFormat.scientific(report.stepError)). Noise floor (the original against \
      itself, last bit of its noise changed): \(NumberFormat.decibels(min(report.noiseFloorPSNR, 200))).

      """
    if !report.bisection.isEmpty {
      var sites = TextTable([.text("site made exact"), .number("PSNR"), .number("gain")])
      for cost in report.bisection {
        sites.add([
          .init(cost.site), .init(NumberFormat.decibels(cost.psnrWithout)), .init(NumberFormat.decibels(cost.gain)),
        ])
      }
      text += "\n" + sites.rendered(for: Terminal.of(1))
    }
    return text
  }
}
