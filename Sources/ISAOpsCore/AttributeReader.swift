import CORT

/// A node's attributes while its kernel is made.
struct AttributeReader {
  let runtime: Runtime
  let info: OpaquePointer

  private var api: Api { runtime.api }

  /// Nil where the attribute is absent.
  func integer(_ name: String) throws(OperatorFailure) -> Int? {
    var value: Int64 = 0
    return try present(name, "an integer", api.KernelInfoGetAttribute_int64(info, name, &value)) ? Int(value) : nil
  }

  func float(_ name: String) throws(OperatorFailure) -> Float? {
    var value: Float = 0
    return try present(name, "a float", api.KernelInfoGetAttribute_float(info, name, &value)) ? value : nil
  }

  func integers(_ name: String) throws(OperatorFailure) -> [Int]? {
    var count = 0
    // Asked for the length alone, some versions report a buffer that is too small.
    let asked = api.KernelInfoGetAttributeArray_int64(info, name, nil, &count)
    if count > 0 {
      _ = api.failure(asked)
    } else if try !present(name, "a list of integers", asked) {
      return nil
    }
    var values = [Int64](repeating: 0, count: count)
    guard count > 0 else { return [] }
    _ = try present(
      name, "a list of integers", api.KernelInfoGetAttributeArray_int64(info, name, &values, &count))
    return values.map { Int($0) }
  }

  func floats(_ name: String) throws(OperatorFailure) -> [Float]? {
    var count = 0
    let asked = api.KernelInfoGetAttributeArray_float(info, name, nil, &count)
    if count > 0 {
      _ = api.failure(asked)
    } else if try !present(name, "a list of floats", asked) {
      return nil
    }
    var values = [Float](repeating: 0, count: count)
    guard count > 0 else { return [] }
    _ = try present(name, "a list of floats", api.KernelInfoGetAttributeArray_float(info, name, &values, &count))
    return values
  }

  func string(_ name: String) throws(OperatorFailure) -> String? {
    var count = 0
    let asked = api.KernelInfoGetAttribute_string(info, name, nil, &count)
    if count > 0 {
      _ = api.failure(asked)
    } else if try !present(name, "a string", asked) {
      return nil
    }
    var text = [CChar](repeating: 0, count: count + 1)
    guard count > 0 else { return "" }
    _ = try present(name, "a string", api.KernelInfoGetAttribute_string(info, name, &text, &count))
    return decode(text)
  }

  /// A float32 tensor: its shape and its elements.
  func tensor(_ name: String) throws(OperatorFailure) -> (shape: [Int], values: [Float])? {
    var allocator: OpaquePointer?
    try api.check("GetAllocatorWithDefaultOptions", api.GetAllocatorWithDefaultOptions(&allocator))
    var value: OpaquePointer?
    let status = api.KernelInfoGetAttribute_tensor(info, name, allocator, &value)
    guard try present(name, "a float32 tensor", status), let value else { return nil }
    defer { api.ReleaseValue(value) }
    let view = try TensorArgument(api, value)
    guard view.elementType == 1 else {
      throw OperatorFailure(
        "attribute '\(name)' must be a float32 tensor; where a converter to float16 rounded it, convert the original "
          + "and patch it after")
    }
    let values = UnsafeBufferPointer(start: view.memory.assumingMemoryBound(to: Float.self), count: view.count)
    return (view.shape, view.count == 0 ? [] : Array(values))
  }

  /// Only in ONNX Runtime 1.28 and newer.
  func strings(_ name: String) throws(OperatorFailure) -> [String]? {
    var allocator: OpaquePointer?
    try api.check("GetAllocatorWithDefaultOptions", api.GetAllocatorWithDefaultOptions(&allocator))
    var list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    var count = 0
    let status = cort_attribute_strings(runtime.table, info, name, allocator, &list, &count)
    guard try present(name, "a list of strings", status) else { return nil }
    guard let list else { return [] }
    defer {
      for i in 0..<count { _ = api.failure(api.AllocatorFree(allocator, list[i])) }
      _ = api.failure(api.AllocatorFree(allocator, list))
    }
    return (0..<count).map { list[$0].map { String(cString: $0) } ?? "" }
  }

  /// Whether an attribute is there, of whatever type.
  func has(_ name: String) -> Bool {
    var count = 0
    guard let reason = api.failure(api.KernelInfoGetAttribute_string(info, name, nil, &count)) else { return true }
    return !reason.contains("No attribute with")
  }

  var nodeName: String {
    var count = 0
    _ = api.failure(api.KernelInfo_GetNodeName(info, nil, &count))
    guard count > 0 else { return "" }
    var text = [CChar](repeating: 0, count: count + 1)
    return api.failure(api.KernelInfo_GetNodeName(info, &text, &count)) == nil ? decode(text) : ""
  }

  /// False where the attribute is absent.
  private func present(_ name: String, _ type: String, _ status: OpaquePointer?) throws(OperatorFailure) -> Bool {
    guard let reason = api.failure(status) else { return true }
    if reason.contains("No attribute with") { return false }
    throw OperatorFailure("attribute '\(name)' must be \(type) (\(reason))")
  }
}

func decode(_ text: [CChar]) -> String {
  String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
