import CalibrationCore
import Foundation
import ONNXGraph
import Reporting
import SparseAttention

extension CalibrateJob {
  /// `calibrate collect`: statistics of these clips alone, to be merged with those of others.
  ///
  /// Every eighth rung is measured, a factor of four to either side of where the probe expects the target, so that the runs
  /// on other clips measure the same ones.
  public func collect(progress: ProgressReporter) throws(ToolError) -> StatisticsFile {
    do {
      try check(writing: [.statistics])
      var rig = try CalibrationRig(
        model: model, clips: clips, options: options, compute: compute, ladder: ladder, selection: selection,
        segments: segments)
      var statistics = try collected(&rig, progress)
      let middle = statistics.probe.start(for: target, exactStepSeconds: statistics.exactStepSeconds)
      let rungs = [-2, -1, 0, 1, 2].map { (middle / Self.probeStride + $0) * Self.probeStride }
        .filter { (0..<ladder.count).contains($0) }
      for rung in rungs where !statistics.measured.contains(where: { $0.rung == rung && $0.complete }) {
        let measured = try rig.measure(rung: rung, earlier: statistics.measured, target: nil, progress: progress)
        statistics.measured.append(measured)
        try AtomicFile.write(try statistics.encoded(), to: statisticsPath)
      }
      return statistics
    } catch {
      throw ToolError(error, model: model)
    }
  }

  /// `calibrate solve`: merges statistics and chooses, without running the model.
  /// - Throws: `ToolError` 78 where the statistics are of different models, recipes or clips.
  public func solve(_ files: [String]) throws(ToolError) -> Report {
    do {
      try check(writing: [.model, .profile], merging: files)
      var merged: StatisticsFile?
      for file in files {
        let data = try InputFile.read(file, limit: InputFile.statisticsLimit)
        let statistics = try StatisticsFile.decoded(data, file: file)
        if merged == nil { merged = statistics } else { try merged?.merge(statistics) }
      }
      guard let statistics = merged else { throw ToolError("Give at least one statistics file.", .usage) }
      let loaded = try Model.load(path: model)
      guard statistics.modelHash == loaded.withBytes({ SHA256.hexadecimal(SHA256.digest($0)) }) else {
        throw ToolError(
          "The statistics are of another model than \(model); collect them with this one.", .configuration)
      }
      let patcher = try Patcher(loaded, segments: segments, adapter: options.adapter)
      var sites = CalibrationRig.sites(
        of: patcher, selection: selection,
        compute: ComputeType(rawValue: statistics.recipe.compute) ?? .float32, edges: statistics.ladder.edges)
      // What was not measured stays exact.
      let unmeasured = sites.indices.filter { sites[$0].mayBeSparse && statistics.probe.sites[sites[$0].name] == nil }
      for index in unmeasured { sites[index].mayBeSparse = false }
      let whole = statistics.measured.filter(\.complete)
      let passing = whole.filter { $0.meets(target, exactStepSeconds: statistics.originalStepSeconds) }
      let chosen = passing.min { $0.meanDensity < $1.meanDensity }
      var report = try written(
        profile(
          sites, of: patcher, statistics, chosen: chosen ?? RungMeasurement(rung: nil, cases: [], complete: true),
          met: chosen != nil,
          unseen: nil), statistics)
      report.notes = Self.notes(statistics, unmeasured: unmeasured.map { sites[$0].name })
      report.statisticsPath = nil
      return report
    } catch {
      throw ToolError(error, model: model)
    }
  }

  /// What a reader of solved statistics has to know beside the figures.
  private static func notes(_ statistics: StatisticsFile, unmeasured: [String]) -> [String] {
    var notes: [String] = []
    if statistics.ladder.rank == .gap {
      notes.append(
        "The statistics are of an earlier version, which ranked blocks by a gap without a bound; collect anew for figures of "
          + "this one.")
    }
    if let first = unmeasured.first {
      notes.append(
        "\(unmeasured.count) site\(unmeasured.count == 1 ? "" : "s") (\(first)\(unmeasured.count > 1 ? ", …" : "")) "
          + "attend exactly: the statistics do not hold them; collect anew to include them.")
    }
    return notes
  }
}
