import AttentionPatterns
import CalibrationCore
import Foundation
import ONNXGraph
import SparseAttention
import VideoPipeline

/// What `patch` and `inspect` say of a model: the document `isa-patch/inspect/1`.
public struct InspectReport: Encodable, Sendable {
  public static let schema = "isa-patch/inspect/1"

  public var model: String
  /// The file that was written; nil where none was.
  public var output: String?
  public var adapter: String?
  /// What of the model the adapter was chosen by.
  public var adapterReason: String?
  public var sites: [SiteReport]
  /// What has a softmax and is no site, where it was asked for.
  public var otherSoftmaxes: [Other] = []
  /// What is wrong with the model itself, a sentence each.
  public var warnings: [String] = []

  public struct Other: Encodable, Sendable {
    public var node: String
    public var output: String
    public var path: String
    /// The nodes that look like attention, downstream first.
    public var matched: [String]
    /// Where the likeness ends.
    public var reason: String

    init(_ softmax: OtherSoftmax) {
      node = softmax.node
      output = softmax.output
      path = softmax.path
      matched = softmax.matched
      reason = softmax.reason
    }
  }

  private enum CodingKeys: String, CodingKey {
    case schema, model, output, adapter, sites, warnings
    case adapterReason = "adapter_reason"
    case otherSoftmaxes = "other_softmaxes"
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.schema, forKey: .schema)
    try container.encode(model, forKey: .model)
    try container.encode(output, forKey: .output)
    try container.encode(adapter, forKey: .adapter)
    try container.encode(adapterReason, forKey: .adapterReason)
    try container.encode(sites, forKey: .sites)
    try container.encode(otherSoftmaxes, forKey: .otherSoftmaxes)
    try container.encode(warnings, forKey: .warnings)
  }

  /// The document's text.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { return "{}\n" }
    return String(decoding: data, as: UTF8.self) + "\n"
  }

  public var replaced: Int { sites.filter(\.replaced).count }
}

/// One site of a report.
public struct SiteReport: Encodable, Sendable {
  public var name: String
  public var output: String
  public var path: String
  public var nodes: [String]
  /// The nodes with their operators, from the second product upstream.
  public var matched: [String]
  /// The one of them that the reason is about.
  public var stoppedAt: String?
  public var kind: String
  public var axis: String?
  public var pattern: String
  public var mask: String
  public var heads: Int?
  public var kvHeads: Int?
  public var headSize: Int?
  public var queryLength: Length?
  public var keyLength: Length?
  public var segments: [Segment]
  public var querySegments: [Segment]
  /// What the user has to add where the graph does not tell.
  public var note: String?
  public var replaced: Bool
  public var replaceable: Bool
  /// Why it stays, and what can be done; nil where it goes.
  public var reason: String?
  public var hint: String?
  /// Of a patched site.
  public var policies: Profile.SiteRecord?

  /// A number, or an expression over the model's dimensions.
  public enum Length: Encodable, Hashable, Sendable, CustomStringConvertible {
    case number(Int)
    case expression(String)

    init(_ length: ONNXGraph.Dimension) {
      self = length.value.map { .number(Int(clamping: $0)) } ?? .expression(length.description)
    }

    public func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .number(let number): try container.encode(number)
      case .expression(let text): try container.encode(text)
      }
    }

    public var description: String {
      switch self {
      case .number(let number): "\(number)"
      case .expression(let text): text
      }
    }
  }

  public struct Segment: Encodable, Hashable, Sendable {
    public var kind: String
    public var length: Length
    /// Frames, rows, columns.
    public var grid: [Length]?
    /// Tokens of the blocks that it is cut into, and their tile, where it has one.
    public var block: Int?
    public var tile: [Int]?
    /// How what no whole tile covers is cut, where it has a tile: shared or boxes.
    public var edges: String?
    /// How it fills its blocks; nil where its length is not fixed.
    public var fill: BlockFill?
    /// Where its length is not fixed: what it is at the adapter's usual size.
    public var usual: Usual?

    private enum CodingKeys: String, CodingKey {
      case kind, length, grid, block, tile, edges
      case filled = "fill"
      case inTiles = "in_tiles"
      case usual = "at_defaults"
    }

    /// A grid at a clip's size in pixels.
    public struct Usual: Encodable, Hashable, Sendable {
      public var frames: Int
      public var width: Int
      public var height: Int
      public var grid: [Int]
      public var fill: Double
      public var inTiles: Double?

      private enum CodingKeys: String, CodingKey {
        case frames, width, height, grid, fill
        case inTiles = "in_tiles"
      }
    }

    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(kind, forKey: .kind)
      try container.encode(length, forKey: .length)
      try container.encode(grid, forKey: .grid)
      try container.encodeIfPresent(block, forKey: .block)
      try container.encodeIfPresent(tile, forKey: .tile)
      try container.encodeIfPresent(fill?.filled, forKey: .filled)
      try container.encodeIfPresent(fill?.inTiles, forKey: .inTiles)
      try container.encodeIfPresent(usual, forKey: .usual)
    }
  }

  /// - Parameter policy: of a site that is patched; else its blocks are those that calibration would choose.
  init(_ site: Site, reason: KeptReason?, replaced: Bool, policy: SitePolicy? = nil) {
    name = site.name
    output = site.output
    path = site.path
    nodes = site.nodes
    matched = site.trail
    stoppedAt = reason == site.reason ? site.stop : nil
    kind = site.kind.rawValue
    axis = site.axis?.rawValue
    pattern = site.pattern
    mask = site.mask
    heads = site.heads
    kvHeads = site.keyHeads
    headSize = site.headSize
    queryLength = site.queryLength.map { Length($0) }
    keyLength = site.keyLength.map { Length($0) }
    let cut = policy ?? SitePolicy(tile: Tile.choose(site.segments), edges: .boxes, points: [])
    segments = site.segments.map { Segment($0, block: cut.blockK, tile: cut.tile, edges: cut.edges) }
    querySegments = site.querySegments.map { Segment($0, block: cut.blockQ, tile: cut.tile, edges: cut.edges) }
    policies = policy.map { Profile.SiteRecord(name: site.name, policy: $0) }
    if site.segmentsAreUnsure {
      note = "The graph does not tell which part of its sequence is decoded; give the parts with --segments."
    }
    self.replaced = replaced
    replaceable = site.isReplaceable
    self.reason = reason?.sentence
    hint = reason?.hint
  }

  private enum CodingKeys: String, CodingKey {
    case name, output, path, nodes, matched, kind, axis, pattern, mask, heads
    case stoppedAt = "stopped_at"
    case kvHeads = "kv_heads"
    case headSize = "head_size"
    case queryLength = "query_length"
    case keyLength = "key_length"
    case segments
    case querySegments = "query_segments"
    case note, replaced, replaceable, reason, hint, policies
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(output, forKey: .output)
    try container.encode(path, forKey: .path)
    try container.encode(nodes, forKey: .nodes)
    try container.encode(matched, forKey: .matched)
    try container.encodeIfPresent(stoppedAt, forKey: .stoppedAt)
    try container.encode(kind, forKey: .kind)
    try container.encode(axis, forKey: .axis)
    try container.encode(pattern, forKey: .pattern)
    try container.encode(mask, forKey: .mask)
    try container.encode(heads, forKey: .heads)
    try container.encode(kvHeads, forKey: .kvHeads)
    try container.encode(headSize, forKey: .headSize)
    try container.encode(queryLength, forKey: .queryLength)
    try container.encode(keyLength, forKey: .keyLength)
    try container.encode(segments, forKey: .segments)
    try container.encode(querySegments, forKey: .querySegments)
    try container.encodeIfPresent(note, forKey: .note)
    try container.encode(replaced, forKey: .replaced)
    try container.encode(replaceable, forKey: .replaceable)
    try container.encode(reason, forKey: .reason)
    try container.encode(hint, forKey: .hint)
    try container.encodeIfPresent(policies, forKey: .policies)
  }
}

extension SiteReport.Segment {
  init(_ segment: SiteSegment, block: Int, tile: Grid?, edges: TileEdges) {
    kind = segment.kind.rawValue
    length = SiteReport.Length(segment.length)
    grid = segment.grid.map { $0.map { SiteReport.Length($0) } }
    self.block = block
    // The text is cut in sequence order.
    if segment.grid != nil, segment.kind != .text, let tile {
      self.tile = [tile.frames, tile.rows, tile.columns]
      self.edges = edges.rawValue
    }
    fill = segment.fixed().flatMap { BlockFill($0, size: block, tile: tile, edges: edges) }
  }
}

extension SiteSegment {
  /// With its lengths as numbers; nil where one does not follow.
  /// - Parameter bindings: symbol → length.
  func fixed(_ bindings: [String: Int64] = [:]) -> Segment? {
    guard let length = length.evaluate(bindings).flatMap({ Int(exactly: $0) }) else { return nil }
    let sizes = grid?.compactMap { $0.evaluate(bindings).flatMap { Int(exactly: $0) } }
    guard sizes?.count == grid?.count else { return nil }
    return Segment(
      kind, length: length, grid: sizes.map { Grid(frames: $0[0], rows: $0[1], columns: $0[2]) })
  }
}

extension SiteReport {
  /// Adds what grids of no fixed size are at the adapter's usual size, in place of nothing.
  mutating func addUsualGrids(_ site: Site, _ match: AdapterMatch) {
    let defaults = match.adapter.defaults
    let bindings = match.bindings(frames: defaults.frames, width: defaults.width, height: defaults.height)
    for (index, segment) in site.segments.enumerated() where segments[index].fill == nil {
      guard let tile = segments[index].tile, let block = segments[index].block, let fixed = segment.fixed(bindings),
        let grid = fixed.grid,
        let fill = BlockFill(
          fixed, size: block, tile: Grid(frames: tile[0], rows: tile[1], columns: tile[2]),
          edges: segments[index].edges.flatMap(TileEdges.init) ?? .shared)
      else { continue }
      segments[index].usual = Segment.Usual(
        frames: defaults.frames, width: defaults.width, height: defaults.height,
        grid: [grid.frames, grid.rows, grid.columns], fill: fill.filled, inTiles: fill.inTiles)
    }
  }
}
