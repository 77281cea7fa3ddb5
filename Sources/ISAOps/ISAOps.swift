import CORT
import ISAOpsCore

/// What ONNX Runtime looks for in an operator library; the only symbol that this one exports.
@_cdecl("RegisterCustomOps")
public func registerCustomOps(
  _ options: OpaquePointer?, _ base: UnsafePointer<OrtApiBase>?
) -> OpaquePointer? {
  Registration.register(options, base)
}
