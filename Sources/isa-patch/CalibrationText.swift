import CalibrationCore
import ISAPatch
import Reporting

/// What a calibration found, as a document and as tables.
enum CalibrationText {
  static func show(_ report: CalibrateJob.Report, target: Target, _ output: OutputOptions) throws {
    Console.result(output.json ? document(report) : text(report))
    if !output.quiet { report.notes.forEach(Console.note) }
    if !report.met, !output.quiet {
      Console.note(
        "The target (\(target.description)) does not hold for any threshold that was measured; the model attends exactly."
      )
    }
    try Console.finish(report.met ? .success : .unmet)
  }

  private static func cases(_ achieved: Profile.Achieved) -> JSONOutput {
    .array(
      achieved.cases.map { item in
        .object([
          ("clip", .string(item.key.clip)), ("edit", .integer(item.key.edit)),
          ("seed", .integer(Int(clamping: item.key.seed))), ("psnr", .number(item.psnr)),
          ("error", .number(item.error)),
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
          ("kind", .string(profile.target.kind)), ("value", .number(profile.target.value)),
          ("met", .bool(profile.target.met)),
        ])
      ),
      ("achieved", summary(profile.achieved)), ("hold_out", profile.holdOut.map(summary) ?? .null),
      ("profile", .string(report.profilePath)), ("model", .string(report.output)), ("report", .null),
      ("statistics", report.statisticsPath.map { .string($0) } ?? .null), ("exact_error", .number(report.exactError)),
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
          .init(NumberFormat.fixed(item.executedDensity, digits: 3)),
          .init("\(NumberFormat.fixed(item.stepSeconds)) s"),
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
        .init(NumberFormat.scientific(quality.threshold.map(Double.init))),
        .init(NumberFormat.decibels(quality.worstPSNR)),
        .init(NumberFormat.fixed(quality.executedDensity, digits: 3)),
      ])
    }
    return """
      \(table.rendered(for: Terminal.of(1)))
      \(dial.rendered(for: Terminal.of(1)))
      \(report.sites) sites, \(report.description). Exact attention agrees with the original to \
      \(NumberFormat.scientific(report.exactError)).
      \(grids(profile).map { $0 + "\n" }.joined())\
      Wrote \(written(report)).

      """
  }

  private static func written(_ report: CalibrateJob.Report) -> String {
    guard let statistics = report.statisticsPath else { return "\(report.output) and \(report.profilePath)" }
    return "\(report.output), \(report.profilePath) and \(statistics)"
  }

  /// Each grid once, as it was at the calibration's size.
  private static func grids(_ profile: Profile) -> [String] {
    var lines: [String] = []
    for site in profile.sites {
      for segment in site.segments ?? [] {
        guard let grid = segment.grid, let tile = site.tile else { continue }
        let line = GridText.line(
          grid: grid.map(String.init), tile: tile, block: site.blockK, filled: segment.fill, inTiles: segment.inTiles)
        if !lines.contains(line) { lines.append(line) }
      }
    }
    return lines
  }
}
