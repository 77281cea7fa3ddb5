import CalibrationCore
import Foundation
import Reporting
import VideoPipeline

/// `compare`: two models, one seed, step by step in turn.
public struct CompareJob: Sendable {
  public var original: String
  public var patched: String
  public var clips: [String]
  public var options: SamplingOptions
  /// PNG with source, full attention, patched and their difference, of the worst case.
  public var contactSheet: String?
  /// Finds the sites that cost most by making each exact in turn.
  public var bisects: Bool

  public init(
    original: String, patched: String, clips: [String], options: SamplingOptions, contactSheet: String? = nil,
    bisects: Bool = false
  ) {
    self.original = original
    self.patched = patched
    self.clips = clips
    self.options = options
    self.contactSheet = contactSheet
    self.bisects = bisects
  }

  public struct CaseResult: Sendable {
    public var key: CaseKey
    public var label: String
    public var psnr: Double
    public var ssim: Double
    public var worstFrame: Int
    public var worstFramePSNR: Double
    /// nil where the patched model cannot say.
    public var executedDensity: Double?
    public var originalStepSeconds: Double
    public var patchedStepSeconds: Double
  }

  /// What one site's approximation costs: the case's PSNR with that site alone made exact.
  public struct SiteCost: Sendable {
    public var site: String
    public var psnrWithout: Double
    public var gain: Double
  }

  public struct Report: Sendable {
    public var original: String
    public var patched: String
    public var description: String
    public var cases: [CaseResult]
    /// Relative L2 error of the first step's output, worst case.
    public var stepError: Double
    /// PSNR in dB of the original against itself with the last bit of its noise changed, first case.
    public var noiseFloorPSNR: Double
    public var bisection: [SiteCost]

    public var worst: CaseResult? { cases.min { $0.psnr < $1.psnr } }
    /// Median over cases of the ratio of median steps.
    public var stepSpeedup: Double {
      median(cases.map { $0.patchedStepSeconds > 0 ? $0.originalStepSeconds / $0.patchedStepSeconds : 0 })
    }
  }

  public func run(progress: ProgressReporter) throws(ToolError) -> Report {
    if options.device == .cuda {
      throw ToolError(
        "--device cuda is not part of this version; leave it out to compare on the processor.", .unavailable)
    }
    var files = CommandFiles()
    files.readModel(original, "the original model")
    files.readModel(patched, "the patched model")
    files.read(clips, "a clip")
    for model in [original, patched] { files.read(options, beside: model) }
    files.write(contactSheet, "the contact sheet", option: "--sheet")
    try files.check()
    if let contactSheet { try AtomicFile.checkWritable(contactSheet) }
    let loading = EditingModel.Loading(options, spinning: false)
    let full = try EditingModel(path: original, loading: loading)
    let instrumented = try Instrumentation.withStatistics(path: patched)
    let sparse = try EditingModel(path: patched, bytes: instrumented, loading: loading)
    let point = try RunJob.point(options.quality, of: sparse)
    let set = try CaseSet(clips: clips, options: options, model: full)
    var results: [CaseResult] = []
    var stepError = 0.0
    var worst: (psnr: Double, item: CaseSet.Case, full: SampledClip, sparse: SampledClip)?
    var first: SampledClip?
    progress.begin("Comparing, \(set.description)", total: set.cases.count * set.steps * 2 + set.steps)
    do {
      for item in set.cases {
        var a = SamplingInProgress(full, item.run, point: nil)
        var b = SamplingInProgress(sparse, item.run, point: point)
        for step in 0..<set.steps {
          try a.advance(step)
          progress.advance(note: item.label)
          try b.advance(step)
          progress.advance(note: item.label)
        }
        let (reference, edited) = (try a.finished(), try b.finished())
        if first == nil { first = reference }
        stepError = max(
          stepError, Difference.relativeL2(edited.firstVelocity, reference.firstVelocity) ?? .infinity)
        guard let quality = VideoQuality(of: edited.video, against: reference.video) else {
          throw ToolError(
            "The two models give clips of different sizes; compare a model with its own patch.", .dataError)
        }
        results.append(
          CaseResult(
            key: item.key, label: item.label, psnr: quality.psnr, ssim: quality.ssim, worstFrame: quality.worstFrame,
            worstFramePSNR: quality.framePSNR[quality.worstFrame], executedDensity: edited.executedDensity,
            originalStepSeconds: reference.medianStepSeconds, patchedStepSeconds: edited.medianStepSeconds))
        if quality.psnr <= worst?.psnr ?? .infinity { worst = (quality.psnr, item, reference, edited) }
      }
      let floor = try noiseFloor(full, set.cases[0], reference: first, progress)
      progress.finish()
      if let contactSheet, let worst {
        let sheet = ComparisonSheet(
          title: "\(worst.item.key.clip) - \(worst.item.editName)  \(NumberFormat.decibels(worst.psnr))",
          source: worst.item.run.given.source,
          full: worst.full.video, patched: worst.sparse.video)
        try AtomicFile.write(sheet.png(), to: contactSheet)
      }
      var costs: [SiteCost] = []
      if bisects, let worst { costs = try bisect(worst.item, worst.full, point: point, loading, progress) }
      return Report(
        original: original, patched: patched, description: set.description, cases: results, stepError: stepError,
        noiseFloorPSNR: floor, bisection: costs)
    } catch {
      throw ToolError(error, model: patched)
    }
  }

  /// The original again, from noise whose values are each the next float up.
  private func noiseFloor(
    _ model: EditingModel, _ item: CaseSet.Case, reference: SampledClip?, _ progress: ProgressReporter
  ) throws -> Double {
    var sampling = SamplingInProgress(model, item.run, point: nil, noise: item.run.noise.map(\.nextUp))
    for step in 0..<item.run.steps {
      try sampling.advance(step)
      progress.advance(note: "noise floor")
    }
    guard let reference, let quality = VideoQuality(of: try sampling.finished().video, against: reference.video) else {
      return .infinity
    }
    return quality.psnr
  }

  private func bisect(
    _ item: CaseSet.Case, _ reference: SampledClip, point: Int?, _ loading: EditingModel.Loading,
    _ progress: ProgressReporter
  ) throws -> [SiteCost] {
    let sites = try Instrumentation.sparseSites(path: patched)
    progress.begin("Making each site exact in turn, \(item.label)", total: (sites.count + 1) * item.run.steps)
    func psnr(exact site: String?) throws -> Double {
      let bytes = try Instrumentation.withExact(site: site, path: patched)
      let model = try EditingModel(path: patched, bytes: bytes, loading: loading)
      let sample = try model.sample(item.run, point: point) { _ in progress.advance(note: site ?? "all sparse") }
      return VideoQuality(of: sample.video, against: reference.video)?.psnr ?? 0
    }
    let base = try psnr(exact: nil)
    var costs: [SiteCost] = []
    for site in sites {
      let without = try psnr(exact: site)
      costs.append(SiteCost(site: site, psnrWithout: without, gain: without - base))
    }
    progress.finish()
    return costs.sorted { $0.gain > $1.gain }
  }
}
