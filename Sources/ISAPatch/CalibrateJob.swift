import AttentionPatterns
import CalibrationCore
import Foundation
import ONNXGraph
import Reporting
import SparseAttention
import VideoPipeline

/// `calibrate`: statistics, search, verification; then the profile and the patched model.
public struct CalibrateJob: Sendable {
  public var model: String
  public var clips: [String]
  public var holdOut: [String]
  public var options: SamplingOptions
  public var target: Target
  public var compute: ComputeType
  /// The patched model; the profile and the statistics stand beside it.
  public var output: String
  public var selection: SiteSelection
  public var segments: String?
  /// Continues from the statistics beside the output, where their model and recipe are the same.
  public var resume: Bool
  /// The recipe's file, where there is one: no output may replace it.
  public var recipePath: String?
  public var ladder = ThresholdLadder()
  /// Whole-clip measurements that the search may make.
  public var budget = 8

  /// Every eighth rung is probed: a factor of two in the threshold.
  static let probeStride = 8
  /// Steps of each case that are probed.
  static let probePhases = 2
  /// One query block in so many is probed.
  static let probeSample = 16

  public init(
    model: String, clips: [String], holdOut: [String] = [], options: SamplingOptions, target: Target,
    compute: ComputeType = .float32, output: String? = nil, selection: SiteSelection = SiteSelection(),
    segments: String? = nil,
    resume: Bool = false
  ) {
    self.model = model
    self.clips = clips
    self.holdOut = holdOut
    self.options = options
    self.target = target
    self.compute = compute
    self.output = output ?? Self.defaultOutput(model)
    self.selection = selection
    self.segments = segments
    self.resume = resume
  }

  /// `X.onnx` → `X.isa.onnx`.
  public static func defaultOutput(_ model: String) -> String { stem(model) + ".isa.onnx" }

  private static func stem(_ path: String) -> String {
    for ending in [".isa.onnx", ".onnx"] where path.hasSuffix(ending) { return String(path.dropLast(ending.count)) }
    return path
  }

  public var profilePath: String { Self.stem(output) + ".isa.json" }
  public var statisticsPath: String { Self.stem(output) + ".isa.stats" }

  public struct Report: Sendable {
    public var model: String
    public var output: String
    public var profilePath: String
    /// Where statistics were written; nil where they were only read.
    public var statisticsPath: String?
    public var profile: Profile
    public var description: String
    public var exactError: Double
    public var originalStepSeconds: Double
    public var sites: Int
    /// Sentences for the reader.
    public var notes: [String] = []
    /// Whether the target holds for what was measured.
    public var met: Bool { profile.target.met }
  }

  public func run(progress: ProgressReporter) throws(ToolError) -> Report {
    do {
      return try calibrate(progress)
    } catch {
      throw ToolError(error, model: model)
    }
  }

  private func calibrate(_ progress: ProgressReporter) throws -> Report {
    if options.device == .cuda {
      throw ToolError(
        "--device cuda is not part of this version; leave it out to calibrate on the processor.", .unavailable)
    }
    try check(writing: [.model, .profile, .statistics])
    var rig = try CalibrationRig(
      model: model, clips: clips, options: options, compute: compute, ladder: ladder, selection: selection,
      segments: segments)
    var statistics = try collected(&rig, progress)
    let chosen = try search(&rig, &statistics, progress)
    let exact = RungMeasurement(rung: nil, cases: [], complete: true)
    let measured = chosen.flatMap { rung in statistics.measured.first { $0.rung == rung && $0.complete } }
    let unseen = try verify(&rig, rung: measured?.rung, progress)
    return try written(
      profile(rig.sites, of: rig.patcher, statistics, chosen: measured ?? exact, met: measured != nil, unseen: unseen),
      statistics)
  }

  /// What a calibration writes.
  enum Product: String, CaseIterable {
    case model = "the patched model"
    case profile = "the profile"
    case statistics = "the statistics"
  }

  /// Refuses what cannot be calibrated, and outputs that cannot be made, before any work.
  ///
  /// The statistics beside the output are read where `resume` asks for it, and continued in their place.
  /// - Parameter statistics: files that are merged.
  func check(writing products: [Product], merging statistics: [String] = []) throws(ToolError) {
    let loaded: Model
    do throws(ModelError) { loaded = try Model.load(path: model) } catch { throw ToolError(error) }
    if PatchedModel.isPatched(loaded) {
      throw ToolError(
        "\(model) is patched already; calibrate the original, which 'isa-patch restore \(model)' gives back.",
        .dataError)
    }
    var files = CommandFiles()
    files.readModel(model, "the original model")
    files.read(clips, "a clip")
    files.read(holdOut, "a clip that is held out")
    files.read(recipePath, "the recipe")
    files.read(statistics, "a file of statistics that is merged")
    files.read(options, beside: model)
    files.read(CostModelFile.given, "the cost model")
    let paths: [Product: String] = [.model: output, .profile: profilePath, .statistics: statisticsPath]
    for product in products { files.write(paths[product], product.rawValue) }
    try files.check()
    do throws(ModelError) { try loaded.checkExternalData() } catch { throw ToolError(error) }
    for path in products.compactMap({ paths[$0] }) { try AtomicFile.checkWritable(path) }
  }

  /// Writes the profile, then the model that it makes.
  func written(_ profile: Profile, _ statistics: StatisticsFile) throws -> Report {
    try AtomicFile.write(try profile.encoded(), to: profilePath)
    _ = try PatchJob(
      .init(
        model: model, output: output, mode: .profile(profilePath), selection: selection, segments: segments,
        adapter: options.adapter, cost: .measured)
    ).run()
    let recipe = profile.recipe
    return Report(
      model: model, output: output, profilePath: profilePath, statisticsPath: statisticsPath, profile: profile,
      description: "\(recipe.frames) frame\(recipe.frames == 1 ? "" : "s") of \(recipe.width)x\(recipe.height), "
        + "\(recipe.steps) step\(recipe.steps == 1 ? "" : "s")",
      exactError: statistics.exactError, originalStepSeconds: statistics.originalStepSeconds, sites: profile.sites.count
    )
  }

  /// Statistics of the probe and of exact attention: those of an earlier run where they are to be continued.
  func collected(_ rig: inout CalibrationRig, _ progress: ProgressReporter) throws -> StatisticsFile {
    let modelHash = rig.patcher.model.withBytes { SHA256.hexadecimal(SHA256.digest($0)) }
    let recipe = try recipe(rig.cases)
    if resume, FileManager.default.fileExists(atPath: statisticsPath) {
      let data = try InputFile.read(statisticsPath, limit: InputFile.statisticsLimit)
      let earlier = try StatisticsFile.decoded(data, file: statisticsPath)
      if earlier.modelHash == modelHash, earlier.recipe == recipe, earlier.ladder == ladder {
        progress.message("Continuing from \(statisticsPath).")
        return earlier
      }
      progress.message("\(statisticsPath) is of another model, recipe or rank; starting anew.", important: true)
    }
    let agreement = try rig.compareWithOriginal()
    guard agreement.error < 1e-3 else {
      throw ToolError(
        "Exact attention in \(model) differs from the original by \(NumberFormat.scientific(agreement.error)); "
          + "report this model as a bug.", .softwareBug)
    }
    let rungs = Array(stride(from: 0, to: ladder.count, by: Self.probeStride))
    let probe = try rig.probe(
      rungs: rungs, phases: Self.probePhases, sample: Self.probeSample, progress: progress)
    let statistics = StatisticsFile(
      tool: Version.current, machine: Machine.current.description, modelHash: modelHash,
      graphHash: GraphHash.of(rig.patcher.model),
      recipe: recipe, ladder: ladder, exactError: agreement.error, originalStepSeconds: agreement.originalStepSeconds,
      exactStepSeconds: agreement.exactStepSeconds, probe: probe, measured: [])
    try AtomicFile.write(try statistics.encoded(), to: statisticsPath)
    return statistics
  }

  /// Measures rungs until the search ends; each measurement is kept at once.
  private func search(
    _ rig: inout CalibrationRig, _ statistics: inout StatisticsFile, _ progress: ProgressReporter
  ) throws -> Int? {
    let search = ScaleSearch(
      target: target, rungs: ladder.count, budget: budget, exactStepSeconds: statistics.originalStepSeconds)
    let start = statistics.probe.start(for: target, exactStepSeconds: statistics.exactStepSeconds)
    while true {
      switch search.next(statistics.measured, start: start) {
      case .done(let rung): return rung
      case .measure(let rung):
        let measured = try rig.measure(rung: rung, earlier: statistics.measured, target: target, progress: progress)
        statistics.measured.append(measured)
        try AtomicFile.write(try statistics.encoded(), to: statisticsPath)
        progress.message(
          "threshold \(NumberFormat.scientific(Double(ladder.threshold(rung)))): worst "
            + "\(NumberFormat.decibels(measured.worstPSNR)) at density \(NumberFormat.fixed(measured.meanDensity, digits: 3))"
            + (measured.complete ? "" : " (stopped at the first miss)"))
      }
    }
  }

  private func recipe(_ cases: CaseSet) throws -> Profile.Recipe {
    func records(_ paths: [String]) throws -> [Profile.ClipRecord] {
      try paths.map { path in
        let data = try InputFile.read(path, limit: .max)
        return Profile.ClipRecord(
          name: URL(fileURLWithPath: path).lastPathComponent, sha256: SHA256.hexadecimal(SHA256.digest([UInt8](data))))
      }
    }
    return Profile.Recipe(
      clips: try records(clips), holdOut: try records(holdOut), edits: cases.edits, seeds: [cases.seed],
      steps: cases.steps, frames: cases.frames, width: cases.size.width, height: cases.size.height,
      threads: options.threads ?? 0, compute: compute.rawValue)
  }
}
