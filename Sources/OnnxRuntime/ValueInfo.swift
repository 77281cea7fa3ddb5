import CORT

/// An input or output of a model, as its graph declares it.
public struct ValueInfo: Equatable, Sendable {
  public enum Dimension: Equatable, Sendable, CustomStringConvertible {
    case fixed(Int)
    /// Sizes of one name are equal in a run.
    case symbol(String)
    case unknown

    public var description: String {
      switch self {
      case .fixed(let n): "\(n)"
      case .symbol(let name): name
      case .unknown: "?"
      }
    }
  }

  public let name: String
  /// Nil where the value is no tensor, or of a type that `Tensor` does not hold.
  public let elementType: ElementType?
  /// Empty for a scalar and for a tensor whose rank is not declared.
  public let dimensions: [Dimension]

  package init(name: String, elementType: ElementType?, dimensions: [Dimension]) {
    self.name = name
    self.elementType = elementType
    self.dimensions = dimensions
  }

  func check(_ tensor: Tensor) throws(RuntimeError) {
    guard let elementType else { throw .unsupportedValue(name: name, type: "not a tensor of a known type") }
    guard tensor.elementType == elementType else {
      throw .wrongElementType(input: name, expected: "\(elementType)", actual: "\(tensor.elementType)")
    }
    if dimensions.isEmpty { return }
    let fits =
      dimensions.count == tensor.shape.count
      && zip(dimensions, tensor.shape).allSatisfy { if case .fixed(let n) = $0 { n == $1 } else { true } }
    if !fits { throw .wrongShape(input: name, expected: "\(dimensions)", actual: "\(tensor.shape)") }
  }
}

extension ValueInfo {
  /// Reads a type, which the caller releases.
  init(_ library: Library, name: String, type: OpaquePointer) throws(RuntimeError) {
    let api = library.api
    self.name = name
    var tensor: OpaquePointer?  // borrowed from the type
    try api.check("CastTypeInfoToTensorInfo", api.CastTypeInfoToTensorInfo(type, &tensor))
    guard let tensor else {
      elementType = nil
      dimensions = []
      return
    }
    let code: Int32 = try api.number("GetTensorElementType") { api.GetTensorElementType(tensor, &$0) }
    elementType = ElementType(rawValue: code)
    let rank: Int = try api.number("GetDimensionsCount") { api.GetDimensionsCount(tensor, &$0) }
    var sizes = [Int64](repeating: 0, count: rank)
    var names = [UnsafePointer<CChar>?](repeating: nil, count: rank)
    try api.check("GetDimensions", api.GetDimensions(tensor, &sizes, rank))
    try api.check("GetSymbolicDimensions", api.GetSymbolicDimensions(tensor, &names, rank))
    dimensions = zip(sizes, names).map { size, name in
      if size >= 0 { return .fixed(Int(size)) }
      let text = name.map { String(cString: $0) } ?? ""
      return text.isEmpty ? .unknown : .symbol(text)
    }
  }
}
