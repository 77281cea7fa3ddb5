import AttentionPatterns
import CalibrationCore
import Foundation
import ONNXGraph
import Reporting
import SparseAttention
import VideoPipeline

/// A model set up for calibration: one session that holds exact attention and every rung of the ladder, and the
/// full-attention samples that everything is measured against.
struct CalibrationRig {
  let patcher: Patcher
  let sites: [CalibratedSite]
  let ladder: ThresholdLadder
  let loading: EditingModel.Loading
  let model: EditingModel
  let cases: CaseSet
  /// Full-attention samples, by case, made when they are first needed.
  private var references: [CaseKey: SampledClip] = [:]

  /// A site that calibration decides on.
  struct CalibratedSite {
    var name: String
    var heads: Int
    /// Everything but the points.
    var base: SitePolicy
    var segments: [SiteSegment]
    /// Whether its policies may be sparse: an additive bias allows exact ones only.
    var mayBeSparse: Bool

    func with(points: [[Policy]]) -> SitePolicy {
      var policy = base
      policy.points = mayBeSparse ? points : points.map { _ in Array(repeating: .exact, count: heads) }
      return policy
    }
  }

  init(
    model path: String, clips: [String], options: SamplingOptions, compute: ComputeType, ladder: ThresholdLadder,
    selection: SiteSelection, segments: String?
  ) throws {
    let model = try Model.load(path: path)
    let patcher = try Patcher(model, segments: segments, adapter: options.adapter)
    self.patcher = patcher
    sites = CalibrationRig.sites(of: patcher, selection: selection, compute: compute, edges: ladder.edges)
    guard !sites.isEmpty else {
      throw ToolError(
        "\(path) has no attention that calibration could make sparse; `isa-patch inspect \(path)` says why for each.",
        .nothingReplaced)
    }
    self.ladder = ladder
    loading = EditingModel.Loading(options)
    let policies = Dictionary(
      uniqueKeysWithValues: sites.map { ($0.name, $0.with(points: ladder.points(heads: $0.heads))) })
    let bytes = try patcher.patched(PatchPlan(policies: policies, statistics: true))
    self.model = try EditingModel(path: path, bytes: bytes, loading: loading)
    cases = try CaseSet(clips: clips, options: options, model: self.model)
  }

  /// The sites that calibration decides on: those that may be replaced and that policy does not keep.
  static func sites(
    of patcher: Patcher, selection: SiteSelection, compute: ComputeType, edges: TileEdges
  ) -> [CalibratedSite] {
    patcher.sites.compactMap { site in
      guard let attention = site.attention, selection.reason(site) == nil else { return nil }
      return CalibratedSite(
        name: site.name, heads: attention.heads,
        base: SitePolicy(tile: Tile.choose(site.segments), edges: edges, compute: compute, points: []),
        segments: site.segments, mayBeSparse: !patcher.needsBias(site))
    }
  }

  /// Exact attention against the original, on the first step of the first case: relative L2 error, and the original's
  /// seconds a step.
  func compareWithOriginal() throws -> (error: Double, originalStepSeconds: Double, exactStepSeconds: Double) {
    let original = try EditingModel(path: patcher.model.path, loading: loading)
    var (a, b) = (
      SamplingInProgress(original, cases.cases[0].run, point: nil),
      SamplingInProgress(model, cases.cases[0].run, point: 0)
    )
    let steps = min(3, cases.steps)
    for step in 0..<steps {
      try a.advance(step)
      try b.advance(step)
    }
    let error = Difference.relativeL2(b.firstVelocity, a.firstVelocity) ?? .infinity
    return (error, median(a.stepSeconds), median(b.stepSeconds))
  }

  /// The full-attention sample of a case.
  mutating func reference(_ item: CaseSet.Case, _ progress: (Double) -> Void) throws -> SampledClip {
    if let known = references[item.key] {
      for _ in 0..<item.run.steps { progress(0) }
      return known
    }
    let sample = try model.sample(item.run, point: ThresholdLadder.point(of: nil), progress: progress)
    references[item.key] = sample
    return sample
  }

  /// Whole clips at a rung, the hardest cases of earlier rungs first; stops at the first case that misses a quality target.
  mutating func measure(
    rung: Int, earlier: [RungMeasurement], target: Target?, progress: ProgressReporter
  ) throws -> RungMeasurement {
    let order = cases.cases.sorted { hardness($0.key, earlier) < hardness($1.key, earlier) }
    progress.begin(
      "Threshold \(NumberFormat.scientific(Double(ladder.threshold(rung)))), \(order.count) cases",
      total: order.count * cases.steps)
    var measured: [CaseMeasurement] = []
    for item in order {
      let known = try reference(item) { _ in }
      let sample = try model.sample(item.run, point: ThresholdLadder.point(of: rung)) { _ in
        progress.advance(note: item.label)
      }
      measured.append(try Self.measurement(item, sample, against: known))
      let partial = RungMeasurement(rung: rung, cases: measured, complete: false)
      if let target, target.isQuality, measured.count < order.count, !partial.meets(target, exactStepSeconds: 0) {
        progress.finish(note: "\(item.label) misses the target with \(NumberFormat.decibels(partial.worstPSNR))")
        return partial
      }
    }
    progress.finish()
    return RungMeasurement(rung: rung, cases: measured, complete: true)
  }

  static func measurement(
    _ item: CaseSet.Case, _ sample: SampledClip, against reference: SampledClip
  ) throws -> CaseMeasurement {
    guard let quality = VideoQuality(of: sample.video, against: reference.video) else {
      throw ToolError("\(item.label) came out in another size; report this as a bug.", .softwareBug)
    }
    return CaseMeasurement(
      key: item.key, psnr: min(quality.psnr, 200),
      error: Difference.relativeL2(sample.video.values, reference.video.values) ?? .infinity,
      executedDensity: sample.executedDensity ?? 1, stepSeconds: sample.medianStepSeconds)
  }

  private func hardness(_ key: CaseKey, _ earlier: [RungMeasurement]) -> Double {
    earlier.flatMap(\.cases).filter { $0.key == key }.map(\.psnr).min() ?? 0
  }

  /// Runs `isa.AttentionProbe` in every site's place on a few steps of every case, along the full-attention trajectory.
  /// - Parameter phases: steps that are probed, spread over the schedule.
  mutating func probe(rungs: [Int], phases: Int, sample: Int, progress: ProgressReporter) throws -> ProbeStatistics {
    let sparse = sites.filter(\.mayBeSparse)
    let grid = Dictionary(
      uniqueKeysWithValues: sparse.map { site in
        (site.name, site.with(points: rungs.map { Array(repeating: ladder.policy($0), count: site.heads) }))
      })
    let bytes = try patcher.patched(PatchPlan(probing: grid, sample: sample))
    let prober = try EditingModel(path: patcher.model.path, bytes: bytes, loading: loading)
    let chosen = Set((0..<phases).map { $0 * max(1, cases.steps - 1) / max(1, phases - 1) }).sorted()
    var statistics = ProbeStatistics(rungs: rungs)
    for site in sparse {
      statistics.sites[site.name] = chosen.map { _ in
        Array(repeating: HeadStatistics(candidates: rungs.count), count: site.heads)
      }
    }
    progress.begin(
      "Full attention and \(rungs.count) thresholds beside it", total: cases.cases.count * cases.steps)
    for item in cases.cases {
      var sampling = SamplingInProgress(model, item.run, point: ThresholdLadder.point(of: nil))
      for index in 0..<cases.steps {
        if let phase = chosen.firstIndex(of: index) {
          let calls = try item.run.calls(item.run.sampler.schedule.steps[index], x: sampling.x)
          let seen = try prober.evaluate(calls, of: item.run)
          for site in sparse {
            guard let values = seen.statistics[site.name] else { continue }
            statistics.add(site: site.name, phase: phase, values: values)
          }
        }
        try sampling.advance(index)
        progress.advance(note: item.label)
      }
      references[item.key] = try sampling.finished()
    }
    progress.finish()
    return statistics
  }
}

extension ProbeStatistics {
  /// Adds the probe's output [batch, heads, candidates, 3] of one site.
  mutating func add(site: String, phase: Int, values: [Float]) {
    guard var phases = sites[site], phase < phases.count else { return }
    let (heads, candidates) = (phases[phase].count, rungs.count)
    for start in stride(from: 0, through: values.count - heads * candidates * 3, by: heads * candidates * 3) {
      for head in 0..<heads {
        let rows = (0..<candidates).map { start + (head * candidates + $0) * 3 }
        phases[phase][head].add(
          squaredError: rows.map { Double(values[$0]) }, squaredNorm: Double(values[rows[0] + 1]),
          density: rows.map { Double(values[$0 + 2]) })
      }
    }
    sites[site] = phases
  }
}

/// Boxes of tokens that make a block of 64.
enum Tile {
  /// 4×4×4, or flatter where the frames are known to be fewer; nil where no segment has a grid.
  static func choose(_ segments: [SiteSegment]) -> Grid? {
    guard let grid = segments.first(where: { $0.grid?.count == 3 })?.grid else { return nil }
    return switch grid[0].value {
    case 1: Grid(frames: 1, rows: 8, columns: 8)
    case 2, 3: Grid(frames: 2, rows: 4, columns: 8)
    default: Grid(frames: 4, rows: 4, columns: 4)
    }
  }
}
