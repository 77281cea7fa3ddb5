/// What is known of a value before any run.
public struct InferredValue: Sendable {
  /// TensorProto.DataType; 0: unknown.
  public var elementType: Int32
  /// Nil: not even the rank is known.
  public var shape: [Dimension?]?
  /// The elements of a small tensor, as far as they are known.
  public var contents: SymbolicTensor?

  public init(elementType: Int32 = 0, shape: [Dimension?]? = nil, contents: SymbolicTensor? = nil) {
    self.elementType = elementType
    self.shape = shape
    self.contents = contents
  }

  public static let unknown = InferredValue()

  var rank: Int? { shape?.count }
}

/// A small tensor with elements that may be expressions; row-major.
public struct SymbolicTensor: Hashable, Sendable {
  public var dims: [Int]
  public var elements: [SymbolicScalar]

  /// Larger tensors are not followed.
  public static let elementLimit = 64

  init?(dims: [Int], elements: [SymbolicScalar]) {
    guard elements.count <= Self.elementLimit, Tensor.count(dims.map(Int64.init)) == elements.count else { return nil }
    self.dims = dims
    self.elements = elements
  }

  /// The elements of a tensor without axes, or of a list.
  public var integers: [Dimension?] { elements.map(\.integer) }

  /// All elements as numbers.
  public var numbers: [Double]? {
    let known = elements.compactMap(\.number)
    return known.count == elements.count ? known : nil
  }
}

/// An element: its type says whether it is an integer, this what is known of its value.
public enum SymbolicScalar: Hashable, Sendable {
  /// A whole number, also where the element type is a floating-point one.
  case integer(Dimension)
  case real(Double)
  /// A quotient of floating-point numbers that are whole: ⌊ ⌋ makes it an integer.
  case quotient(Dimension, Dimension)
  case unknown

  public var integer: Dimension? {
    switch self {
    case .integer(let value): value.isKnown ? value : nil
    case .real(let value): Int64(exactly: value).map { Dimension($0) }
    default: nil
    }
  }

  public var number: Double? {
    switch self {
    case .integer(let value): value.value.map(Double.init)
    case .real(let value): value
    case .quotient(let a, let b): a.value.flatMap { a in b.value.map { Double(a) / Double($0) } }
    case .unknown: nil
    }
  }

  init(_ dimension: Dimension?) {
    if let dimension, dimension.isKnown { self = .integer(dimension) } else { self = .unknown }
  }

  init(_ value: Bool?) { self = value.map { .integer($0 ? 1 : 0) } ?? .unknown }

  /// Nil where it is not known.
  var truth: Bool? {
    switch self {
    case .integer(let value): value.value.map { $0 != 0 } ?? (value.isPositive ? true : nil)
    case .real(let value): value != 0
    default: nil
    }
  }
}

extension Dimension {
  /// True where it is at least one whatever the names are.
  public var isPositive: Bool { constant >= 1 && isNonNegative }
}
