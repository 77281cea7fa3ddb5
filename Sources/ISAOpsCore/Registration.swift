import CORT
import Glibc
import SparseAttentionCPU

/// An operator for one element type, as ONNX Runtime holds it: its address is the `OrtCustomOp`'s.
private struct OpRecord {
  var callbacks: OrtCustomOp
  var op: Operator
  var element: ElementType
  var runtime: Runtime

  static func at(_ op: UnsafePointer<OrtCustomOp>?) -> OpRecord? {
    UnsafeRawPointer(op)?.assumingMemoryBound(to: OpRecord.self).pointee
  }
}

/// Puts the operators into session options.
public enum Registration {
  /// One domain for each ONNX Runtime in the process, such as Python's own and one that another tool opened. They are
  /// made once and never freed, since every session keeps their addresses.
  private nonisolated(unsafe) static var domains: [UnsafePointer<OrtApiBase>: OpaquePointer] = [:]
  private nonisolated(unsafe) static var lock = pthread_mutex_t()

  /// The body of `RegisterCustomOps`: null for success, else a status.
  public static func register(
    _ options: OpaquePointer?, _ base: UnsafePointer<OrtApiBase>?
  ) -> OpaquePointer? {
    guard let base else { return nil }
    guard let runtime = Runtime(base) else {
      // Returning no status would have the operators reported as unknown later.
      return base.pointee.GetApi(1)?.pointee.CreateStatus(
        Int32(ORT_NOT_IMPLEMENTED),
        "isa: the operators need ONNX Runtime 1.17 or newer; this is \(Runtime.version(base))")
    }
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    if domains[base] == nil {
      var made: OpaquePointer?
      if let status = runtime.api.CreateCustomOpDomain("isa", &made) { return status }
      for op in Operator.allCases {
        for element in [ElementType.float32, .float16, .bfloat16] {
          let record = UnsafeMutablePointer<OpRecord>.allocate(capacity: 1)
          record.initialize(to: OpRecord(callbacks: callbacks(runtime), op: op, element: element, runtime: runtime))
          let address = UnsafeRawPointer(record).assumingMemoryBound(to: OrtCustomOp.self)
          if let status = runtime.api.CustomOpDomain_Add(made, address) { return status }
        }
      }
      domains[base] = made
    }
    return runtime.api.AddCustomOpDomain(options, domains[base])
  }

  private static func callbacks(_ runtime: Runtime) -> OrtCustomOp {
    var c = OrtCustomOp()
    c.version = UInt32(CORT_API_VERSION)
    c.GetName = { op in
      guard let name = OpRecord.at(op)?.op.name else { return nil }
      return UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    }
    c.GetExecutionProviderType = { _ in nil }
    c.GetInputTypeCount = { _ in 8 }
    c.GetInputType = { op, index in
      switch index {
      case 3: 9  // bool
      case 5, 6, 7: 7  // int64
      default: OpRecord.at(op)?.element.rawValue ?? 0
      }
    }
    c.GetInputCharacteristic = { _, index in
      Int32(index < 3 ? ORT_INPUT_REQUIRED : ORT_INPUT_OPTIONAL)
    }
    c.GetInputMemoryType = { _, _ in 0 }
    c.GetOutputTypeCount = { _ in 2 }
    c.GetOutputType = { op, index in index == 0 ? OpRecord.at(op)?.element.rawValue ?? 0 : 1 }
    c.GetOutputCharacteristic = { _, index in
      Int32(index == 0 ? ORT_INPUT_REQUIRED : ORT_INPUT_OPTIONAL)
    }
    c.GetVariadicInputMinArity = { _ in 1 }
    c.GetVariadicInputHomogeneity = { _ in 1 }
    c.GetVariadicOutputMinArity = { _ in 1 }
    c.GetVariadicOutputHomogeneity = { _ in 1 }
    c.GetStartVersion = { _ in 1 }
    c.GetEndVersion = { _ in Int32.max }
    c.CreateKernelV2 = { op, _, info, out in
      guard let record = OpRecord.at(op) else { return nil }
      do throws(OperatorFailure) {
        guard let info, let out else { throw OperatorFailure("isa: ONNX Runtime passed no kernel info") }
        let kernel = try NodeKernel(record.runtime, info, record.op, record.element)
        out.pointee = Unmanaged.passRetained(kernel).toOpaque()
        return nil
      } catch {
        return error.status(record.runtime.api)
      }
    }
    c.KernelComputeV2 = { kernel, context in
      guard let kernel, let context else { return nil }
      return Unmanaged<NodeKernel>.fromOpaque(kernel).takeUnretainedValue().compute(context)
    }
    c.KernelDestroy = { kernel in
      if let kernel { Unmanaged<NodeKernel>.fromOpaque(kernel).release() }
    }
    if runtime.isAtLeast(minor: 24) {
      c.InferOutputShapeFn = { op, context in
        if let context, let record = OpRecord.at(op) {
          ShapeInference(api: record.runtime.api, context: context).run()
        }
        return nil
      }
    }
    return c
  }
}
