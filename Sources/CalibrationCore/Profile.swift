import Foundation
import SparseAttention

/// `X.isa.json`: what calibration decided, for which model, from what, and what it measured.
public struct Profile: Equatable, Codable, Sendable {
  public static let currentSchema = "isa-patch/profile/1"

  public var schema = Profile.currentSchema
  /// Version of the tool that wrote it.
  public var tool: String
  /// The machine's processor, as measured speeds hold for it alone.
  public var machine: String
  /// SHA-256 of the model file.
  public var modelHash: String
  /// SHA-256 of the graph without its weights: the same for fine-tuned siblings.
  public var graphHash: String
  public var recipe: Recipe
  public var target: TargetRecord
  public var achieved: Achieved
  public var holdOut: Achieved?
  /// The dial: operating points in order of their number, the chosen one first.
  public var qualities: [Quality]
  public var sites: [SiteRecord]

  public struct Recipe: Equatable, Codable, Sendable {
    public var clips: [ClipRecord]
    public var holdOut: [ClipRecord]
    public var edits: [Int]
    public var seeds: [UInt64]
    public var steps: Int
    public var frames: Int
    public var width: Int
    public var height: Int
    public var threads: Int
    public var compute: String

    public init(
      clips: [ClipRecord], holdOut: [ClipRecord], edits: [Int], seeds: [UInt64], steps: Int, frames: Int, width: Int,
      height: Int, threads: Int, compute: String
    ) {
      self.clips = clips
      self.holdOut = holdOut
      self.edits = edits
      self.seeds = seeds
      self.steps = steps
      self.frames = frames
      self.width = width
      self.height = height
      self.threads = threads
      self.compute = compute
    }
  }

  public struct ClipRecord: Equatable, Codable, Sendable {
    public var name: String
    public var sha256: String
    public init(name: String, sha256: String) {
      self.name = name
      self.sha256 = sha256
    }
  }

  public struct TargetRecord: Equatable, Codable, Sendable {
    public var kind: String
    public var value: Double
    public var met: Bool
    public init(kind: String, value: Double, met: Bool) {
      self.kind = kind
      self.value = value
      self.met = met
    }
  }

  /// What whole-clip runs at the chosen point gave.
  public struct Achieved: Equatable, Codable, Sendable {
    public var worstPSNR: Double
    public var executedDensity: Double
    public var stepSeconds: Double
    public var exactStepSeconds: Double
    public var cases: [CaseMeasurement]

    // Spelt for the snake-case strategies, which would not find an acronym again.
    private enum CodingKeys: String, CodingKey {
      case worstPSNR = "worstPsnr"
      case executedDensity, stepSeconds, exactStepSeconds, cases
    }
    public init(_ m: RungMeasurement, exactStepSeconds: Double) {
      worstPSNR = m.worstPSNR.isFinite ? m.worstPSNR : 999
      executedDensity = m.meanDensity
      stepSeconds = m.stepSeconds
      self.exactStepSeconds = exactStepSeconds
      cases = m.cases
    }
  }

  /// One position of the quality dial, measured on the calibration cases.
  public struct Quality: Equatable, Codable, Sendable {
    /// The operating point in the model.
    public var point: Int
    /// Threshold on what blocks are ranked by; absent for exact attention.
    public var threshold: Float?
    /// Worst PSNR in dB over the calibration cases; absent for exact attention.
    public var worstPSNR: Double?
    public var executedDensity: Double
    // Spelt for the snake-case strategies, which would not find an acronym again.
    private enum CodingKeys: String, CodingKey {
      case worstPSNR = "worstPsnr"
      case point, threshold, executedDensity
    }
    public init(point: Int, threshold: Float?, worstPSNR: Double?, executedDensity: Double) {
      self.point = point
      self.threshold = threshold
      self.worstPSNR = worstPSNR
      self.executedDensity = executedDensity
    }
  }

  /// The policies of one site.
  public struct SiteRecord: Equatable, Codable, Sendable {
    public var name: String
    public var heads: Int
    public var blockQ: Int
    public var blockK: Int
    /// [frames, rows, columns]; absent for sequence order.
    public var tile: [Int]?
    /// How what no whole tile covers is cut: shared where absent, or boxes.
    public var edges: String?
    public var compute: String
    /// [points], each a list of runs of heads with one policy.
    public var points: [[HeadRun]]
    /// What its sequence was made of in the calibration; absent where nothing tells.
    public var segments: [SegmentRecord]?
  }

  /// A run of tokens of one kind, and how it filled its blocks of keys.
  public struct SegmentRecord: Equatable, Codable, Sendable {
    public var kind: String
    public var length: Int
    /// [frames, rows, columns]; absent for a run without a raster.
    public var grid: [Int]?
    /// Share of its blocks' places that held a token.
    public var fill: Double
    /// Share of its tokens in blocks that were near in space and time: boxes of no more places than the tile.
    public var inTiles: Double?

    /// nil for a segment that has no blocks.
    public init?(_ segment: Segment, size: Int, tile: Grid?, edges: TileEdges) {
      guard let fill = BlockFill(segment, size: size, tile: tile, edges: edges) else { return nil }
      kind = segment.kind.rawValue
      length = segment.length
      grid = segment.grid.map { [$0.frames, $0.rows, $0.columns] }
      self.fill = fill.filled
      inTiles = fill.inTiles
    }
  }

  /// Consecutive heads that share a policy.
  public struct HeadRun: Equatable, Codable, Sendable {
    public var heads: Int
    public var policy: PolicyRecord
  }

  public init(
    tool: String, machine: String, modelHash: String, graphHash: String, recipe: Recipe, target: TargetRecord,
    achieved: Achieved, holdOut: Achieved?, qualities: [Quality], sites: [SiteRecord]
  ) {
    self.tool = tool
    self.machine = machine
    self.modelHash = modelHash
    self.graphHash = graphHash
    self.recipe = recipe
    self.target = target
    self.achieved = achieved
    self.holdOut = holdOut
    self.qualities = qualities
    self.sites = sites
  }

  /// Stable key order, so that two profiles can be compared line by line.
  public func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return try encoder.encode(self) + Data("\n".utf8)
  }

  /// - Throws: `CalibrationError` where the file is no profile of this version.
  public static func decoded(_ data: Data, file: String) throws(CalibrationError) -> Profile {
    let profile = try SchemaDocument.decode(Profile.self, schema: currentSchema, data, file: file)
    if let reason = profile.contradiction { throw .malformed(file: file, reason: reason) }
    return profile
  }
}
