import CalibrationCore
import Foundation
import ONNXGraph
import Reporting
import SparseAttention
import VideoPipeline

extension CalibrateJob {
  /// The profile: the chosen rung first, then the others that were measured on every case, then exact attention.
  func profile(
    _ sites: [CalibrationRig.CalibratedSite], of patcher: Patcher, _ statistics: StatisticsFile,
    chosen: RungMeasurement, met: Bool,
    unseen: RungMeasurement?
  ) -> Profile {
    let others = statistics.measured.filter { $0.complete && $0.rung != chosen.rung }.sorted {
      $0.worstPSNR < $1.worstPSNR
    }
    let rungs: [RungMeasurement] =
      chosen.rung == nil
      ? [chosen] + others : [chosen] + others + [RungMeasurement(rung: nil, cases: [], complete: true)]
    let qualities = rungs.enumerated().map { point, measured in
      Profile.Quality(
        point: point, threshold: measured.rung.map(statistics.ladder.threshold),
        worstPSNR: measured.rung.map { _ in measured.worstPSNR },
        executedDensity: measured.rung == nil ? 1 : measured.meanDensity)
    }
    let recipe = statistics.recipe
    let bindings = patcher.adapter?.bindings(frames: recipe.frames, width: recipe.width, height: recipe.height) ?? [:]
    let records = sites.map { site in
      var record = Profile.SiteRecord(
        name: site.name,
        policy: site.with(
          points: rungs.map { measured in
            Array(repeating: measured.rung.map(statistics.ladder.policy) ?? .exact, count: site.heads)
          }))
      let segments = site.segments.compactMap { segment in
        segment.fixed(bindings).flatMap {
          Profile.SegmentRecord($0, size: site.base.blockK, tile: site.base.tile, edges: site.base.edges)
        }
      }
      // All of them, or none: a part would say something else.
      if !segments.isEmpty, segments.count == site.segments.count { record.segments = segments }
      return record
    }
    return Profile(
      tool: Version.current, machine: Machine.current.description, modelHash: statistics.modelHash,
      graphHash: statistics.graphHash, recipe: statistics.recipe,
      target: .init(kind: target.name, value: target.value, met: met),
      achieved: .init(chosen, exactStepSeconds: statistics.exactStepSeconds),
      holdOut: unseen.map { .init($0, exactStepSeconds: statistics.exactStepSeconds) }, qualities: qualities,
      sites: records)
  }

  /// The chosen rung on clips that calibration did not see; nil where none were given.
  func verify(
    _ rig: inout CalibrationRig, rung: Int?, _ progress: ProgressReporter
  ) throws -> RungMeasurement? {
    guard !holdOut.isEmpty else { return nil }
    let set = try CaseSet(clips: holdOut, options: options, model: rig.model)
    progress.begin("Clips that were held out", total: set.cases.count * set.steps * 2)
    var measured: [CaseMeasurement] = []
    for item in set.cases {
      let reference = try rig.reference(item) { _ in progress.advance(note: item.label) }
      let sample = try rig.model.sample(item.run, point: ThresholdLadder.point(of: rung)) { _ in
        progress.advance(note: item.label)
      }
      measured.append(try CalibrationRig.measurement(item, sample, against: reference))
    }
    progress.finish()
    return RungMeasurement(rung: rung, cases: measured, complete: true)
  }
}
