/// Writes protobuf by hand, so that models can be made that no library would write.
public struct Proto: Sendable {
  public var bytes: [UInt8] = []

  public init() {}

  init(bytes: [UInt8]) { self.bytes = bytes }

  public static func varint(_ value: UInt64) -> [UInt8] {
    var result: [UInt8] = []
    var rest = value
    repeat {
      result.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
      rest >>= 7
    } while rest > 0
    return result
  }

  public func int(_ field: UInt64, _ value: Int64) -> Proto {
    Proto(bytes: bytes + Proto.varint(field << 3) + Proto.varint(UInt64(bitPattern: value)))
  }

  public func raw(_ field: UInt64, _ content: [UInt8]) -> Proto {
    Proto(bytes: bytes + Proto.varint(field << 3 | 2) + Proto.varint(UInt64(content.count)) + content)
  }

  public func text(_ field: UInt64, _ content: String) -> Proto { raw(field, Array(content.utf8)) }

  public func message(_ field: UInt64, _ content: Proto) -> Proto { raw(field, content.bytes) }

  public func all<S: Sequence>(_ items: S, _ body: (Proto, S.Element) -> Proto) -> Proto { items.reduce(self, body) }

  // MARK: ONNX messages

  public static func node(
    _ opType: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = "",
    attributes: [Proto] = []
  ) -> Proto {
    Proto().all(inputs) { $0.text(1, $1) }.all(outputs) { $0.text(2, $1) }.text(3, name).text(4, opType)
      .all(attributes) { $0.message(5, $1) }.text(7, domain)
  }

  public static func attribute(_ name: String, graph: Proto) -> Proto {
    Proto().text(1, name).message(6, graph).int(20, 5)
  }
  public static func attribute(_ name: String, tensor: Proto) -> Proto {
    Proto().text(1, name).message(5, tensor).int(20, 4)
  }

  public static func tensor(_ name: String, type: Int64 = 1, dims: [Int64], raw: [UInt8]? = nil) -> Proto {
    let header = Proto().all(dims) { $0.int(1, $1) }.int(2, type).text(8, name)
    return raw.map { header.raw(9, $0) } ?? header
  }

  public static func external(_ name: String, dims: [Int64] = [4], _ entries: [(String, String)]) -> Proto {
    Proto().all(dims) { $0.int(1, $1) }.int(2, 1).text(8, name)
      .all(entries) { $0.message(13, Proto().text(1, $1.0).text(2, $1.1)) }.int(14, 1)
  }

  public static func value(_ name: String) -> Proto { Proto().text(1, name) }

  public static func graph(
    _ nodes: [Proto], inputs: [String] = ["x"], outputs: [String] = ["y"], initializers: [Proto] = []
  ) -> Proto {
    Proto().all(nodes) { $0.message(1, $1) }.text(2, "graph").all(initializers) { $0.message(5, $1) }
      .all(inputs) { $0.message(11, value($1)) }.all(outputs) { $0.message(12, value($1)) }
  }

  public static func function(_ name: String, _ nodes: [Proto], inputs: [String] = ["x"], outputs: [String] = ["y"])
    -> Proto
  {
    Proto().text(1, name).all(inputs) { $0.text(4, $1) }.all(outputs) { $0.text(5, $1) }
      .all(nodes) { $0.message(7, $1) }.message(9, Proto().text(1, "").int(2, 17)).text(10, "local")
  }

  public static func model(_ graph: Proto, functions: [Proto] = []) -> [UInt8] {
    Proto().int(1, 8).message(7, graph).message(8, Proto().text(1, "").int(2, 17)).all(functions) { $0.message(25, $1) }
      .bytes
  }

  public static let relu = node("Relu", ["x"], ["y"])
}
