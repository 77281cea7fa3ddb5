import CORT

/// What is known of an output while a model loads.
///
/// Only from ONNX Runtime 1.24: an older one reads the type of every input for its shape function, and reads through
/// null where an input is left out. Nothing here may fail: what cannot be read is left unknown, and the kernel says
/// what is wrong.
struct ShapeInference {
  /// A size, its symbol, or neither.
  struct Dimension: Equatable {
    var size: Int64
    var symbol: String

    static let unknown = Dimension(size: -1, symbol: "")
    static func fixed(_ size: Int64) -> Dimension { Dimension(size: size, symbol: "") }
    var isKnown: Bool { size >= 0 || !symbol.isEmpty }
  }

  let api: Api
  let context: OpaquePointer

  func run() {
    guard let heads = integer("num_heads"), heads >= 1 else { return }
    let kvHeads = max(1, integer("kv_num_heads") ?? heads)
    let layout = string("layout").map { Layout(rawValue: $0) } ?? .bhsd
    guard let layout, let valueLayout = self.string("value_layout").map({ Layout(rawValue: $0) }) ?? layout,
      let outputLayout = self.string("output_layout").map({ Layout(rawValue: $0) }) ?? layout,
      let query = input(0), query.count == layout.rank
    else { return }
    let batch = query[0]
    let tokens = layout == .bhsd ? query[2] : query[1]
    var size = Dimension.unknown
    if let value = input(2), value.count == valueLayout.rank, let last = value.last {
      // Side by side in the output as they are in the value, the heads need not be told apart.
      if valueLayout != .bse || (outputLayout == .bse && kvHeads == heads) {
        size = last
      } else if last.size >= 0 {
        size = .fixed(last.size / kvHeads)
      }
    }
    let width: Dimension =
      valueLayout == .bse && kvHeads == heads ? size : size.size >= 0 ? .fixed(size.size * heads) : .unknown
    let shape =
      switch outputLayout {
      case .bshd: [batch, tokens, .fixed(heads), size]
      case .bhsd: [batch, .fixed(heads), tokens, size]
      case .bse: [batch, tokens, width]
      }
    set(0, elementOfQuery, shape)
  }

  private func attribute(_ name: String) -> OpaquePointer? {
    var attribute: OpaquePointer?
    return api.failure(api.ShapeInferContext_GetAttribute(context, name, &attribute)) == nil ? attribute : nil
  }

  private func integer(_ name: String) -> Int64? {
    guard let attribute = attribute(name) else { return nil }
    var value: Int64 = 0
    var length = 0
    let status = api.ReadOpAttr(attribute, Int32(ORT_ATTRIBUTE_INT), &value, 8, &length)
    return api.failure(status) == nil ? value : nil
  }

  private func string(_ name: String) -> String? {
    guard let attribute = attribute(name) else { return nil }
    let kind = Int32(ORT_ATTRIBUTE_STRING)
    var length = 0
    _ = api.failure(api.ReadOpAttr(attribute, kind, nil, 0, &length))
    guard length > 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: length)
    guard api.failure(api.ReadOpAttr(attribute, kind, &bytes, length, &length)) == nil else { return nil }
    // Some versions count a closing zero.
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// The record that was asked may be another type's.
  private var elementOfQuery: Int32 {
    var borrowed: OpaquePointer?
    var type: Int32 = 0
    guard api.failure(api.ShapeInferContext_GetInputTypeShape(context, 0, &borrowed)) == nil, let borrowed,
      api.failure(api.GetTensorElementType(borrowed, &type)) == nil
    else { return 0 }
    return type
  }

  private func input(_ index: Int) -> [Dimension]? {
    var count = 0
    guard api.failure(api.ShapeInferContext_GetInputCount(context, &count)) == nil, index < count else { return nil }
    var borrowed: OpaquePointer?  // ONNX Runtime's: releasing it would be a double free
    guard api.failure(api.ShapeInferContext_GetInputTypeShape(context, index, &borrowed)) == nil, let borrowed else {
      return nil
    }
    var rank = 0
    guard api.failure(api.GetDimensionsCount(borrowed, &rank)) == nil, rank > 0 else { return nil }
    var sizes = [Int64](repeating: -1, count: rank)
    var names = [UnsafePointer<CChar>?](repeating: nil, count: rank)
    guard api.failure(api.GetDimensions(borrowed, &sizes, rank)) == nil,
      api.failure(api.GetSymbolicDimensions(borrowed, &names, rank)) == nil
    else { return nil }
    return zip(sizes, names).map { Dimension(size: $0, symbol: $1.map { String(cString: $0) } ?? "") }
  }

  /// Only of outputs that every node has: an index past the node's own ends the process in versions before 1.31.
  private func set(_ index: Int, _ element: Int32, _ shape: [Dimension]) {
    // A size that is neither known nor named cannot be written down.
    guard element != 0, shape.allSatisfy(\.isKnown) else { return }
    var info: OpaquePointer?
    guard api.failure(api.CreateTensorTypeAndShapeInfo(&info)) == nil, let info else { return }
    defer { api.ReleaseTensorTypeAndShapeInfo(info) }
    var names = shape.map { dimension in
      let text = dimension.size >= 0 ? [] : Array(dimension.symbol.utf8CString)
      let copy = UnsafeMutablePointer<CChar>.allocate(capacity: max(1, text.count))
      copy[0] = 0
      for (i, c) in text.enumerated() { copy[i] = c }
      return UnsafePointer<CChar>?.some(UnsafePointer(copy))
    }
    defer { for name in names { name?.deallocate() } }
    let sizes = shape.map(\.size)
    guard api.failure(api.SetTensorElementType(info, element)) == nil,
      api.failure(api.SetDimensions(info, sizes, sizes.count)) == nil,
      api.failure(api.SetSymbolicDimensions(info, &names, names.count)) == nil
    else { return }
    _ = api.failure(api.ShapeInferContext_SetOutputTypeShape(context, index, info))
  }
}
