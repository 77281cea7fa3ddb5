import Foundation

/// `X.isa.stats`: what was measured of a model on clips, merged across clips and machines; enough to solve for another
/// target without running the model.
public struct StatisticsFile: Equatable, Codable, Sendable {
  public static let currentSchema = "isa-patch/statistics/1"

  public var schema = StatisticsFile.currentSchema
  public var tool: String
  public var machine: String
  public var modelHash: String
  public var graphHash: String
  public var recipe: Profile.Recipe
  public var ladder: ThresholdLadder
  /// Relative L2 error of exact attention's first step against the original's.
  public var exactError: Double
  /// Median seconds of a step of the original model and of exact attention.
  public var originalStepSeconds: Double
  public var exactStepSeconds: Double
  public var probe: ProbeStatistics
  public var measured: [RungMeasurement]

  public init(
    tool: String, machine: String, modelHash: String, graphHash: String, recipe: Profile.Recipe,
    ladder: ThresholdLadder, exactError: Double, originalStepSeconds: Double, exactStepSeconds: Double,
    probe: ProbeStatistics, measured: [RungMeasurement]
  ) {
    self.tool = tool
    self.machine = machine
    self.modelHash = modelHash
    self.graphHash = graphHash
    self.recipe = recipe
    self.ladder = ladder
    self.exactError = exactError
    self.originalStepSeconds = originalStepSeconds
    self.exactStepSeconds = exactStepSeconds
    self.probe = probe
    self.measured = measured
  }

  /// Adds what another run saw of the same model with the same recipe on other clips.
  ///
  /// A rung that both measured is complete with the cases of both; one that only one measured is incomplete.
  /// - Throws: `CalibrationError.statisticsDoNotFit`.
  public mutating func merge(_ other: StatisticsFile) throws(CalibrationError) {
    guard modelHash == other.modelHash else { throw .statisticsDoNotFit("they are of different models") }
    guard recipe.settings == other.recipe.settings, ladder == other.ladder else {
      throw .statisticsDoNotFit("steps, frames, size, compute type or thresholds differ")
    }
    guard Set(recipe.clips.map(\.name)).isDisjoint(with: other.recipe.clips.map(\.name)) else {
      throw .statisticsDoNotFit("a clip is in both")
    }
    try probe.merge(other.probe)
    recipe.clips += other.recipe.clips
    exactError = max(exactError, other.exactError)
    let own = Dictionary(measured.map { ($0.rung, $0) }, uniquingKeysWith: { $1 })
    let theirs = Dictionary(other.measured.map { ($0.rung, $0) }, uniquingKeysWith: { $1 })
    measured = Set(own.keys).union(theirs.keys).sorted { ($0 ?? -1) < ($1 ?? -1) }.map { rung in
      let (a, b) = (own[rung], theirs[rung])
      return RungMeasurement(
        rung: rung, cases: (a?.cases ?? []) + (b?.cases ?? []),
        complete: (a?.complete ?? false) && (b?.complete ?? false))
    }
  }

  public func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return try encoder.encode(self) + Data("\n".utf8)
  }

  /// - Throws: `CalibrationError` where the file is none of this version.
  public static func decoded(_ data: Data, file: String) throws(CalibrationError) -> StatisticsFile {
    let statistics = try SchemaDocument.decode(StatisticsFile.self, schema: currentSchema, data, file: file)
    if let reason = statistics.contradiction { throw .malformed(file: file, reason: reason) }
    return statistics
  }

  /// What in the numbers does not go together; nil where all does.
  private var contradiction: String? {
    guard (1...Self.largestLadder).contains(ladder.count), ladder.finest > 0, ladder.ratio > 1 else {
      return "its ladder has \(ladder.count) thresholds from \(ladder.finest), each \(ladder.ratio) times the last"
    }
    let rungs = 0..<ladder.count
    if let rung = (probe.rungs + measured.compactMap(\.rung)).first(where: { !rungs.contains($0) }) {
      return "its ladder has no threshold \(rung)"
    }
    for (site, phases) in probe.sites.sorted(by: { $0.key < $1.key }) {
      for head in phases.joined() {
        guard head.squaredError.count == probe.rungs.count, head.density.count == probe.rungs.count,
          (0...Self.mostSamples).contains(head.samples)
        else { return "a head of site \(site) was not probed at \(probe.rungs.count) thresholds" }
      }
    }
    return nil
  }

  private static let largestLadder = 1024
  private static let mostSamples = 1 << 40
}

extension Profile.Recipe {
  /// What has to be equal for measurements to be comparable.
  var settings: [String] {
    ["\(edits)", "\(seeds)", "\(steps)", "\(frames)", "\(width)", "\(height)", compute]
  }
}
