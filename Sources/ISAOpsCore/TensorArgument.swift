import CORT

/// A tensor that a run passes in, or that a run fills.
struct TensorArgument {
  let elementType: Int32
  let shape: [Int]
  let count: Int
  let memory: UnsafeMutableRawPointer

  init(_ api: Api, _ value: OpaquePointer) throws(OperatorFailure) {
    var info: OpaquePointer?
    try api.check("GetTensorTypeAndShape", api.GetTensorTypeAndShape(value, &info))
    defer { api.ReleaseTensorTypeAndShapeInfo(info) }
    var rank = 0
    try api.check("GetDimensionsCount", api.GetDimensionsCount(info, &rank))
    var sizes = [Int64](repeating: 0, count: rank)
    try api.check("GetDimensions", api.GetDimensions(info, &sizes, rank))
    var type: Int32 = 0
    try api.check("GetTensorElementType", api.GetTensorElementType(info, &type))
    elementType = type
    shape = sizes.map { Int($0) }
    count = shape.reduce(1) { $0 &* $1 }
    memory = try TensorArgument.data(api, value)
  }

  /// The address of a tensor's elements; any address where it has none.
  static func data(_ api: Api, _ value: OpaquePointer) throws(OperatorFailure) -> UnsafeMutableRawPointer {
    var memory: UnsafeMutableRawPointer?
    try api.check("GetTensorMutableData", api.GetTensorMutableData(value, &memory))
    return memory ?? UnsafeMutableRawPointer(value)
  }
}
