import OnnxRuntime

/// A file of named arrays: `.safetensors` by its ending, else `.npz`.
public enum ArrayFile {
  public static let endings = [".npz", ".safetensors"]

  /// - Throws: `NpzError`, `SafetensorsError`.
  public static func read(_ path: String) throws -> [String: Tensor] {
    path.hasSuffix(".safetensors") ? try Safetensors.read(path) : try Npz.read(path)
  }

  /// The bytes of a file with these arrays, in the format of the path's ending.
  /// - Throws: `NpzError` for a name that is given twice or too long.
  public static func encode(_ arrays: [(name: String, array: Tensor)], for path: String) throws -> [UInt8] {
    path.hasSuffix(".safetensors") ? try Safetensors.encode(arrays) : try Npz.encode(arrays, file: path)
  }

  /// Why a model's outputs cannot be written, known before it runs; nil where all can.
  public static func refusal(of outputs: [ValueInfo]) -> String? {
    for output in outputs {
      if output.elementType == nil {
        return
          "Output '\(output.name)' holds no numbers that an array file takes (it is a sequence, a map, text, complex, "
          + "or of a type of less than a byte or of eight-bit floats)"
      }
      if output.name.utf8.count >= Npz.longestName { return "An output's name is too long for an array file" }
    }
    return nil
  }

  // MARK: For a model

  /// Arrays in the types of the inputs that they are for, where that is what was meant: floating-point numbers are
  /// rounded, whole ones that fit are taken over, and uint16 for a bfloat16 input is its bits. Others stay as they are.
  /// - Parameter note: takes a sentence for each array that changed.
  public static func fitted(
    _ arrays: [String: Tensor], to inputs: [ValueInfo], note: (String) -> Void = { _ in }
  ) -> [String: Tensor] {
    var result = arrays
    for input in inputs.sorted(by: { $0.name < $1.name }) {
      guard let array = arrays[input.name], let type = input.elementType, type != array.elementType,
        let (fitted, how) = fitted(array, to: type)
      else { continue }
      note("Input '\(input.name)' is \(type.name) and its array \(array.elementType.name): \(how).")
      result[input.name] = fitted
    }
    return result
  }

  private static func fitted(_ array: Tensor, to type: ElementType) -> (Tensor, how: String)? {
    if type == .bfloat16, array.elementType == .uint16 {
      return (try? Tensor(type, shape: array.shape, bytes: array.bytes)).map { ($0, "it is taken for bfloat16's bits") }
    }
    if type.isFloatingPoint, array.elementType.isFloatingPoint {
      let tensor = try? Tensor(floats: array.floats, shape: array.shape, as: type)
      return tensor.map { ($0, "it is converted") }
    }
    guard !type.isFloatingPoint, !array.elementType.isFloatingPoint, type != .bool, array.elementType != .bool,
      let values = array.integers
    else { return nil }
    return Tensor.of(integers: values, shape: array.shape, type).map { ($0, "it is converted") }
  }

  /// Results with their floating-point numbers as float32.
  public static func asFloat32(_ arrays: [(name: String, array: Tensor)]) throws -> [(name: String, array: Tensor)] {
    try arrays.map { name, array in
      (name, array.elementType.isFloatingPoint ? try Tensor(array.floats, shape: array.shape) : array)
    }
  }
}

extension ElementType {
  var isFloatingPoint: Bool { [.float16, .bfloat16, .float32, .float64].contains(self) }
}

extension Tensor {
  /// nil where a value does not fit the type.
  fileprivate static func of(integers values: [Int64], shape: [Int], _ type: ElementType) -> Tensor? {
    func made<T: TensorElement & FixedWidthInteger>(_: T.Type) -> Tensor? {
      let fitting = values.compactMap { T(exactly: $0) }
      return fitting.count == values.count ? try? Tensor(fitting, shape: shape) : nil
    }
    return switch type {
    case .int8: made(Int8.self)
    case .int16: made(Int16.self)
    case .int32: made(Int32.self)
    case .int64: made(Int64.self)
    case .uint8: made(UInt8.self)
    case .uint16: made(UInt16.self)
    case .uint32: made(UInt32.self)
    case .uint64: made(UInt64.self)
    default: nil
    }
  }
}
