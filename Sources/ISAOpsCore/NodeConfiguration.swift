import SparseAttention
import SparseAttentionCPU

/// A node's attributes, checked when its kernel is made.
struct NodeConfiguration {
  var site: String
  var heads: Int
  var kvHeads: Int
  /// Nil: the head size to the power of -1/2.
  var scale: Float?
  var queryLayout: Layout
  var keyLayout: Layout
  var valueLayout: Layout
  var outputLayout: Layout
  var queryKinds: [SegmentKind]?
  var keyKinds: [SegmentKind]?
  var blockQ: Int
  var blockK: Int
  var tile: Grid?
  var edges: TileEdges
  var compute: ElementType
  var maskedKeys: MaskedKeys
  /// The bias is added before what `maskedKeys` adds.
  var biasFirst: Bool
  var biasScale: Float
  /// A bias of this or less stands in the place of the score; nil: none does.
  var replacingBias: Float?
  var emptyRows: EmptyRows
  /// [points or candidates][heads].
  var policies: [[Policy]]
  /// Of the probe: every n-th query block is measured.
  var sample: Int

  init(_ reader: AttributeReader) throws(OperatorFailure) {
    site = reader.nodeName
    do throws(OperatorFailure) {
      let named = try reader.string("site") ?? ""
      if !named.isEmpty { site = named }
      guard let heads = try reader.integer("num_heads") else {
        throw OperatorFailure("attribute 'num_heads' is missing")
      }
      self.heads = heads
      kvHeads = try reader.integer("kv_num_heads") ?? heads
      guard heads >= 1, heads <= 1 << 20, kvHeads >= 1, heads % kvHeads == 0 else {
        throw OperatorFailure(
          "num_heads is \(heads) and kv_num_heads \(kvHeads); the first must be a multiple of the other")
      }
      scale = try reader.finite("scale")
      queryLayout = try reader.choice("layout", Layout.allCases) ?? .bhsd
      keyLayout = try reader.choice("key_layout", Layout.allCases) ?? queryLayout
      valueLayout = try reader.choice("value_layout", Layout.allCases) ?? queryLayout
      outputLayout = try reader.choice("output_layout", Layout.allCases) ?? queryLayout
      blockQ = try reader.integer("block_q") ?? 64
      guard [64, 128].contains(blockQ) else { throw OperatorFailure("block_q is \(blockQ); use 64 or 128") }
      blockK = try reader.integer("block_k") ?? 64
      guard [32, 64].contains(blockK) else { throw OperatorFailure("block_k is \(blockK); use 32 or 64") }
      tile = try NodeConfiguration.tile(reader)
      edges = try reader.choice("edges", TileEdges.allCases) ?? .shared
      switch try reader.choice("compute", ComputeType.allCases) ?? .float32 {
      case .float32: compute = .float32
      case .float16: compute = .float16
      case .bfloat16: compute = .bfloat16
      }
      maskedKeys = try NodeConfiguration.maskedKeys(reader)
      biasFirst = try reader.integer("bias_first") ?? 0 != 0
      biasScale = try reader.finite("bias_scale") ?? 1
      guard biasScale > 0 else { throw OperatorFailure("bias_scale is \(biasScale); it must be positive") }
      replacingBias = try reader.finite("replacing_bias")
      emptyRows = try reader.choice("empty_rows", EmptyRows.allCases) ?? .zero
      policies = try NodeConfiguration.policies(reader, heads: heads)
      sample = try reader.integer("sample") ?? 1
      guard sample >= 1 else { throw OperatorFailure("sample is \(sample); it must be 1 or more") }
      (queryKinds, keyKinds) = try NodeConfiguration.kinds(reader)
    } catch {
      throw error.at(site: site)
    }
  }

  private static func tile(_ reader: AttributeReader) throws(OperatorFailure) -> Grid? {
    guard let tile = try reader.integers("tile") else { return nil }
    if tile.isEmpty {
      // So an integer reads, and an empty list.
      guard (try? reader.integer("tile")) == nil else {
        throw OperatorFailure("attribute 'tile' must be a list of integers")
      }
      return nil
    }
    guard tile.count == 3, tile.allSatisfy({ (1...(1 << 20)).contains($0) }) else {
      throw OperatorFailure("tile is \(tile); it must be frames, rows and columns, each 1 or more")
    }
    return Grid(frames: tile[0], rows: tile[1], columns: tile[2])
  }

  private static func maskedKeys(_ reader: AttributeReader) throws(OperatorFailure) -> MaskedKeys {
    switch (try reader.finite("masked_score"), try reader.finite("masked_bias")) {
    case (nil, nil): return .absent
    case (let score?, nil): return .scored(score)
    case (nil, let bias?): return .biased(bias)
    default: throw OperatorFailure("masked_score and masked_bias are both there; leave one out")
    }
  }

  private static func policies(_ reader: AttributeReader, heads: Int) throws(OperatorFailure) -> [[Policy]] {
    let rows: [Float]
    if let list = try reader.floats(PolicyTable.listAttribute) {
      guard !list.isEmpty, list.count % Policy.rowLength == 0, list.count / Policy.rowLength % heads == 0 else {
        throw OperatorFailure(
          "\(PolicyTable.listAttribute) has \(list.count) numbers, which are no rows of \(Policy.rowLength) for "
            + "\(heads) heads")
      }
      rows = list
    } else {
      guard let (shape, values) = try reader.tensor(PolicyTable.tensorAttribute) else {
        throw OperatorFailure("attribute 'policies' is missing")
      }
      guard shape.count == 3, shape[0] >= 1, shape[1] == heads, shape[2] == Policy.rowLength else {
        throw OperatorFailure("policies has the shape \(shape), not [points, \(heads), \(Policy.rowLength)]")
      }
      rows = values
    }
    guard let points = PolicyTable.points(rows, heads: heads) else {
      throw OperatorFailure("policies has a row without meaning\(firstMeaningless(rows, heads: heads))")
    }
    return points
  }

  /// Where a row is that means nothing.
  private static func firstMeaningless(_ rows: [Float], heads: Int) -> String {
    let starts = stride(from: 0, to: rows.count, by: Policy.rowLength)
    guard let start = starts.first(where: { Policy(row: rows[$0..<$0 + Policy.rowLength]) == nil }) else { return "" }
    let row = start / Policy.rowLength
    return " at point \(row / heads), head \(row % heads)"
  }

  /// The lists where the runtime hands them out, else their copy in one string.
  private static func kinds(
    _ reader: AttributeReader
  ) throws(OperatorFailure) -> (query: [SegmentKind]?, key: [SegmentKind]?) {
    let names = ["query_segment_kinds", "key_segment_kinds"]
    var lists: [[String]?] = [nil, nil]
    if reader.runtime.isAtLeast(minor: 28) {
      for (i, name) in names.enumerated() { lists[i] = try reader.strings(name) }
    } else if let copy = try reader.string("segment_kinds") {
      let sides = copy.split(separator: ";", omittingEmptySubsequences: false)
      guard sides.count == 2 else {
        throw OperatorFailure("segment_kinds is '\(copy)'; it must be the query's kinds, a semicolon, the key's")
      }
      for (i, side) in sides.enumerated() where !side.isEmpty { lists[i] = side.split(separator: ",").map(String.init) }
    } else if let name = names.first(where: { reader.has($0) }) {
      throw OperatorFailure(
        "\(name) is a list of strings, which ONNX Runtime \(reader.runtime.version) hands to no operator; "
          + "add the attribute 'segment_kinds', or use version 1.28")
    }
    var out: [[SegmentKind]?] = []
    for (name, list) in zip(names, lists) {
      var kinds: [SegmentKind] = []
      for text in list ?? [] {
        guard let kind = SegmentKind(rawValue: text) else {
          throw OperatorFailure("\(name) has '\(text)', which is none of target, context, text")
        }
        kinds.append(kind)
      }
      out.append(list == nil ? nil : kinds)
    }
    return (out[0], out[1])
  }
}

extension AttributeReader {
  func finite(_ name: String) throws(OperatorFailure) -> Float? {
    let value = try float(name)
    if let value, !value.isFinite { throw OperatorFailure("\(name) is \(value); it must be finite") }
    return value
  }

  /// A string out of a set.
  func choice<T: RawRepresentable<String>>(_ name: String, _ all: [T]) throws(OperatorFailure) -> T? {
    guard let text = try string(name) else { return nil }
    guard let value = all.first(where: { $0.rawValue == text }) else {
      throw OperatorFailure("\(name) is '\(text)', which is none of \(all.map(\.rawValue).joined(separator: ", "))")
    }
    return value
  }
}
