/// Serialised ONNX models for tests, written field by field so that they depend on nothing of ours.
///
/// Numbers are those of onnx.proto; element types are ONNX's.
public struct TinyModel {
  public enum Attribute: Sendable {
    case int(Int)
    case ints([Int])
    case float(Float)
    case string(String)
    case strings([String])
    /// float32, by raw data.
    case tensor([Float], shape: [Int])
  }

  /// A dimension that is a number or a symbol.
  public enum Dimension: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, Sendable {
    case fixed(Int)
    case symbol(String)
    public init(integerLiteral value: Int) { self = .fixed(value) }
    public init(stringLiteral value: String) { self = .symbol(value) }
  }

  private var graph = ProtobufWriter()
  private var properties = ProtobufWriter()
  private var domains: [String: Int]
  private let irVersion: Int

  public init(irVersion: Int = 8, opset: Int = 17) {
    self.irVersion = irVersion
    domains = ["": opset]
  }

  public mutating func input(_ name: String, _ elementType: Int, _ shape: [Dimension]?) {
    graph.message(11, Self.value(name, elementType, shape))
  }

  /// A nil shape leaves it to inference.
  public mutating func output(_ name: String, _ elementType: Int, _ shape: [Dimension]? = nil) {
    graph.message(12, Self.value(name, elementType, shape))
  }

  public mutating func node(
    _ op: String, domain: String = "", name: String = "", _ inputs: [String], _ outputs: [String],
    _ attributes: [String: Attribute] = [:]
  ) {
    if !domain.isEmpty { domains[domain] = 1 }
    var node = ProtobufWriter()
    for x in inputs { node.string(1, x) }
    for x in outputs { node.string(2, x) }
    node.string(3, name)
    node.string(4, op)
    for (key, value) in attributes.sorted(by: { $0.key < $1.key }) { node.message(5, Self.attribute(key, value)) }
    if !domain.isEmpty { node.string(7, domain) }
    graph.message(1, node)
  }

  public mutating func initializer(_ name: String, floats: [Float], shape: [Int]) {
    graph.message(5, Self.tensor(name, 1, shape, floats.flatMap { $0.bitPattern.littleEndianBytes }))
  }

  public mutating func initializer(_ name: String, int64s: [Int64], shape: [Int]) {
    graph.message(5, Self.tensor(name, 7, shape, int64s.flatMap { $0.littleEndianBytes }))
  }

  /// float32 data in a file beside the model.
  public mutating func initializer(_ name: String, externalFile file: String, shape: [Int]) {
    var tensor = ProtobufWriter()
    for d in shape { tensor.integer(1, d) }
    tensor.integer(2, 1)
    tensor.string(8, name)
    var location = ProtobufWriter()
    location.string(1, "location")
    location.string(2, file)
    tensor.message(13, location)
    tensor.integer(14, 1)
    graph.message(5, tensor)
  }

  public mutating func metadata(_ key: String, _ value: String) {
    var entry = ProtobufWriter()
    entry.string(1, key)
    entry.string(2, value)
    properties.message(14, entry)
  }

  public var bytes: [UInt8] {
    var graph = graph
    graph.string(2, "tiny")
    var model = ProtobufWriter()
    model.integer(1, irVersion)
    model.message(7, graph)
    for (domain, version) in domains.sorted(by: { $0.key < $1.key }) {
      var entry = ProtobufWriter()
      entry.string(1, domain)
      entry.integer(2, version)
      model.message(8, entry)
    }
    return model.bytes + properties.bytes
  }

  private static func value(_ name: String, _ elementType: Int, _ shape: [Dimension]?) -> ProtobufWriter {
    var tensor = ProtobufWriter()
    tensor.integer(1, elementType)
    if let shape {
      var dimensions = ProtobufWriter()
      for d in shape {
        var dimension = ProtobufWriter()
        switch d {
        case .fixed(let n): dimension.integer(1, n)
        case .symbol(let s): dimension.string(2, s)
        }
        dimensions.message(1, dimension)
      }
      tensor.message(2, dimensions)
    }
    var type = ProtobufWriter()
    type.message(1, tensor)
    var value = ProtobufWriter()
    value.string(1, name)
    value.message(2, type)
    return value
  }

  private static func tensor(_ name: String, _ elementType: Int, _ shape: [Int], _ raw: [UInt8]) -> ProtobufWriter {
    var tensor = ProtobufWriter()
    for d in shape { tensor.integer(1, d) }
    tensor.integer(2, elementType)
    if !name.isEmpty { tensor.string(8, name) }
    tensor.field(9, raw)
    return tensor
  }

  private static func attribute(_ name: String, _ value: Attribute) -> ProtobufWriter {
    var attribute = ProtobufWriter()
    attribute.string(1, name)
    let type: Int
    switch value {
    case .float(let x):
      attribute.float(2, x)
      type = 1
    case .int(let x):
      attribute.integer(3, x)
      type = 2
    case .string(let x):
      attribute.string(4, x)
      type = 3
    case .tensor(let x, let shape):
      attribute.message(5, tensor("", 1, shape, x.flatMap { $0.bitPattern.littleEndianBytes }))
      type = 4
    case .ints(let x):
      for i in x { attribute.integer(8, i) }
      type = 7
    case .strings(let x):
      for s in x { attribute.string(9, s) }
      type = 8
    }
    attribute.integer(20, type)
    return attribute
  }
}

/// Protobuf's wire format, as much of it as a model needs.
public struct ProtobufWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public mutating func integer(_ field: Int, _ value: Int) {
    varint(UInt64(field << 3))
    varint(UInt64(bitPattern: Int64(value)))
  }

  public mutating func float(_ field: Int, _ value: Float) {
    varint(UInt64(field << 3 | 5))
    bytes += value.bitPattern.littleEndianBytes
  }

  public mutating func field(_ field: Int, _ value: [UInt8]) {
    varint(UInt64(field << 3 | 2))
    varint(UInt64(value.count))
    bytes += value
  }

  public mutating func string(_ number: Int, _ value: String) { field(number, Array(value.utf8)) }
  public mutating func message(_ number: Int, _ value: ProtobufWriter) { field(number, value.bytes) }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

extension FixedWidthInteger {
  var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }
}
