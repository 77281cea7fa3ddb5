import Foundation
import OnnxRuntime

/// `.safetensors` files: an 8-byte length, a JSON header of names, types, shapes and offsets, then the tensors' bytes.
///
/// Reading trusts nothing: the header's length, every shape and every range is checked against the file, ranges may
/// neither overlap nor leave gaps, and only what is asked for is read.
public enum Safetensors {
  static let maximumHeader = 100 << 20

  /// All tensors of a type that is known here; others are errors.
  /// - Parameter limit: most bytes that all tensors together may take.
  public static func read(_ path: String, limit: Int = 8 << 30) throws(SafetensorsError) -> [String: Tensor] {
    let source: ByteSource
    do throws(ByteSource.Failure) {
      source = try ByteSource(path: path)
    } catch {
      throw SafetensorsError(file: path, tensor: nil, problem: .cannotOpen)
    }
    return try read(source, file: path, limit: limit)
  }

  /// - Parameter file: what messages call it.
  public static func read(
    _ bytes: [UInt8], file: String, limit: Int = 8 << 30
  ) throws(SafetensorsError) -> [String: Tensor] {
    try read(ByteSource(bytes), file: file, limit: limit)
  }

  private struct Entry {
    var name: String
    var type: ElementType
    var shape: [Int]
    var start: Int
    var end: Int
  }

  private static func read(
    _ source: ByteSource, file: String, limit: Int
  ) throws(SafetensorsError) -> [String: Tensor] {
    func fail(_ problem: SafetensorsError.Problem, _ name: String? = nil) -> SafetensorsError {
      SafetensorsError(file: file, tensor: name, problem: problem)
    }
    func bytes(_ offset: Int, _ count: Int) throws(SafetensorsError) -> [UInt8] {
      do throws(ByteSource.Failure) {
        return try source.read(at: offset, count: count)
      } catch {
        throw fail(error == .read ? .readFailed : .damaged("it was cut off"))
      }
    }
    guard source.count >= 10, let length = LittleEndian(bytes: try bytes(0, 8)).u64(0), length >= 2,
      length <= maximumHeader, length <= source.count - 8
    else { throw fail(.notSafetensors) }
    let data = source.count - 8 - length
    let entries = try header(bytes(8, length), fail).sorted { ($0.start, $0.end) < ($1.start, $1.end) }
    var position = 0
    for entry in entries {
      guard entry.start == position, entry.end <= data else {
        throw fail(.damaged("its bytes overlap another tensor's, leave a gap, or pass the file's end"), entry.name)
      }
      position = entry.end
    }
    guard position == data else { throw fail(.damaged("\(data - position) bytes belong to no tensor")) }
    guard data <= limit else { throw fail(.tooLarge(limit: limit)) }
    var result: [String: Tensor] = [:]
    for entry in entries {
      let content = try bytes(8 + length + entry.start, entry.end - entry.start)
      guard let tensor = try? Tensor(entry.type, shape: entry.shape, bytes: content) else {
        throw fail(.damaged("its bytes do not fill its shape"), entry.name)
      }
      result[entry.name] = tensor
    }
    return result
  }

  private static func header(
    _ bytes: [UInt8], _ fail: (SafetensorsError.Problem, String?) -> SafetensorsError
  ) throws(SafetensorsError) -> [Entry] {
    let fields: [String: HeaderField]
    do {
      guard bytes.first == UInt8(ascii: "{") else { throw fail(.notSafetensors, nil) }
      fields = try JSONDecoder().decode([String: HeaderField].self, from: Data(bytes))
    } catch {
      throw fail(.notSafetensors, nil)
    }
    var entries: [Entry] = []
    for (name, field) in fields where name != "__metadata__" {
      guard case .tensor(let word, let shape, let offsets) = field, offsets.count == 2, offsets[0] >= 0,
        offsets[0] <= offsets[1]
      else { throw fail(.damaged("its entry is no dtype, shape and two offsets"), name) }
      guard let type = types[word] else { throw fail(.unsupported(word), name) }
      guard shape.count <= 8, let count = elementCount(shape), count <= Int.max / 8,
        offsets[1] - offsets[0] == count * type.size
      else { throw fail(.damaged("its bytes do not fill its shape"), name) }
      entries.append(Entry(name: name, type: type, shape: shape, start: offsets[0], end: offsets[1]))
    }
    return entries
  }

  /// A value of the header: a tensor's entry with these three keys and no other, or something else.
  private enum HeaderField: Decodable {
    case tensor(type: String, shape: [Int], offsets: [Int])
    case other

    private struct Key: CodingKey {
      var stringValue: String
      var intValue: Int? { nil }
      init(_ name: String) { stringValue = name }
      init?(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
      guard let fields = try? decoder.container(keyedBy: Key.self),
        Set(fields.allKeys.map(\.stringValue)) == ["dtype", "shape", "data_offsets"],
        let type = try? fields.decode(String.self, forKey: Key("dtype")),
        let shape = try? fields.decode([Int].self, forKey: Key("shape")),
        let offsets = try? fields.decode([Int].self, forKey: Key("data_offsets"))
      else {
        self = .other
        return
      }
      self = .tensor(type: type, shape: shape, offsets: offsets)
    }
  }

  private static let types: [String: ElementType] = [
    "F64": .float64, "F32": .float32, "F16": .float16, "BF16": .bfloat16, "I64": .int64, "I32": .int32, "I16": .int16,
    "I8": .int8, "U8": .uint8, "U16": .uint16, "U32": .uint32, "U64": .uint64, "BOOL": .bool,
  ]

  /// The file's bytes, tensors in the given order. Every type of element has its word.
  public static func encode(_ arrays: [(name: String, array: Tensor)]) throws -> [UInt8] {
    var fields: [String: EntryField] = [:]
    var end = 0
    for (name, array) in arrays {
      guard let word = types.first(where: { $0.value == array.elementType })?.key else { continue }
      fields[name] = EntryField(dtype: word, shape: array.shape, dataOffsets: [end, end + array.bytes.count])
      end += array.bytes.count
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var header = [UInt8](try encoder.encode(fields))
    // The data begins at a multiple of 8.
    header += Array(repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 + header.count + end)
    LittleEndian.append(header.count, 8, to: &bytes)
    bytes += header
    for (_, array) in arrays { bytes += array.bytes }
    return bytes
  }

  private struct EntryField: Encodable {
    var dtype: String
    var shape: [Int]
    var dataOffsets: [Int]

    private enum CodingKeys: String, CodingKey {
      case dtype, shape
      case dataOffsets = "data_offsets"
    }
  }
}
